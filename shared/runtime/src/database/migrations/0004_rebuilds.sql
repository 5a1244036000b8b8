-- Rebuilds: a generation is filled beside the live one, compared with it, and swapped for it.
alter table memfleet.projection_generations
  -- Definitions of the indexes that are made once the history is in; null when they all are there.
  add column deferred_indexes text[],
  -- Text of the views that show it, for a version of the code that has another one.
  add column views_sql text,
  -- The last comparison: with which generation, when, at which position of the log.
  add column verified_against int,
  add column verified_at timestamptz,
  add column verified_position bigint,
  -- When it stopped being the live one: a rollback goes to the latest of these.
  add column demoted_at timestamptz;

-- A lane does not pass this position until then: two generations can be seen at one position. It
-- stands in the row that every batch updates, so that it holds from the moment it is set. It runs
-- out by itself, since whoever set it may die.
alter table memfleet.checkpoints
  add column hold_at bigint,
  add column hold_until timestamptz;

-- Parked memories that are to be tried again; the lane that parked them does it, and says here what
-- came of it.
create table memfleet.parked_redrives (
  projection   text not null,
  generation   int not null,
  lane         int not null,
  tenant       text not null,
  memory       text not null,
  requested_at timestamptz not null default now(),
  finished_at  timestamptz,
  -- Events that were applied, and why the rest is still parked; null when none is.
  applied      int,
  reason       text,
  primary key (projection, generation, tenant, memory)
);
