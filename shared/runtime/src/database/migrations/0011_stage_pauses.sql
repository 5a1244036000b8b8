-- Stages that an operator has paused: no process of them takes events until the row is gone.
create table memfleet.stage_pauses (
  stage text primary key,
  reason text not null,
  paused_at timestamptz not null default now()
);
