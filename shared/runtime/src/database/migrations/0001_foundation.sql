-- Everything of the fleet that is not a read model. Read models belong to their projections.

-- The dedupe table of the stages: one row per event, stage and stage version. It says who works on
-- the event (lease), what came of it, and what it cost. Rows are updated two or three times in
-- quick succession: the free space keeps those updates on the page (HOT).
create table memfleet.stage_work (
  stage          text not null,
  stage_version  int not null,
  event_key      uuid not null,
  tenant         text not null,
  event_id       text not null,
  sequence       bigint not null,
  payload_digest bytea not null,
  state          text not null check (state in ('claimed', 'done', 'skipped', 'parked')),
  attempts       int not null,
  lease_token    uuid not null,
  lease_until    timestamptz not null,
  -- JSON array of derived events as text: jsonb would refuse \u0000 and reorder the keys.
  result         text,
  reason         text,
  calls          int not null default 0,
  input_tokens   bigint not null default 0,
  output_tokens  bigint not null default 0,
  cost_usd       double precision not null default 0,
  duration_ms    double precision not null default 0,
  claimed_at     timestamptz not null default now(),
  recorded_at    timestamptz,
  published_at   timestamptz,
  primary key (stage, stage_version, event_key)
) with (fillfactor = 60);

-- What a worker that died left behind; small, since almost every row is finished.
create index stage_work_unfinished on memfleet.stage_work (stage, lease_until)
  where state = 'claimed';

-- Results of paid calls by content, so that equal content is never paid for twice.
create table memfleet.result_cache (
  cache_key  bytea primary key,
  stage      text not null,
  result     text not null,
  created_at timestamptz not null default now()
);

-- Leases with a fencing epoch that only rises: whoever holds an older one has lost it.
create table memfleet.leases (
  name        text primary key,
  owner       text not null,
  epoch       bigint not null,
  lease_until timestamptz not null
);

-- One row per generation of a projection: its tables live in the schema <projection>_<generation>,
-- and the views in the public schema read the live one.
create table memfleet.projection_generations (
  projection text not null,
  generation int not null,
  version    int not null,
  state      text not null check (state in ('live', 'next', 'previous', 'retired')),
  created_at timestamptz not null default now(),
  primary key (projection, generation)
);
create unique index projection_generations_live on memfleet.projection_generations (projection)
  where state = 'live';

-- How far a lane has applied the log. The truth about progress: the durable's ack state is for
-- displays. stream_created and event_key tell a restored or recreated stream from the one read so far.
create table memfleet.checkpoints (
  projection     text not null,
  generation     int not null,
  lane           int not null,
  lanes          int not null,
  epoch          bigint not null,
  position       bigint not null,
  stream_created text not null,
  event_key      uuid,
  event_time     timestamptz,
  updated_at     timestamptz not null default now(),
  primary key (projection, generation, lane)
);

-- Events a projection could not apply, and those that wait behind them, per memory and in order.
create table memfleet.parked_events (
  projection text not null,
  generation int not null,
  lane       int not null,
  tenant     text not null,
  memory     text not null,
  sequence   bigint not null,
  -- The first of a memory has the reason; the others wait for it.
  reason     text not null,
  parked_at  timestamptz not null default now(),
  primary key (projection, generation, tenant, memory, sequence)
);

-- What each process last said of itself; rows of processes that are gone are swept.
create table memfleet.worker_reports (
  instance    text primary key,
  worker      text not null,
  host        text not null,
  pid         int not null,
  health_url  text,
  state       text not null,
  cause       text,
  in_flight   int not null,
  processed   bigint not null,
  rate        double precision not null,
  details     jsonb not null default '{}',
  started_at  timestamptz not null default now(),
  reported_at timestamptz not null default now()
);
create index worker_reports_worker on memfleet.worker_reports (worker, reported_at);
