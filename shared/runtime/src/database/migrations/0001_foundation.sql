-- Everything of the fleet that is not a read model. Read models belong to their projections.

-- The dedupe table of the stages: one row per event, stage and stage version. It says who works on
-- the event (lease), what came of it, and what it cost. Rows are updated two or three times in
-- quick succession: the free space keeps those updates on the page (HOT), for which no index may
-- name a column that changes.
create table memfleet.stage_work (
  stage          text not null,
  stage_version  int not null,
  event_key      uuid not null,
  tenant         text not null,
  event_id       text not null,
  sequence       bigint not null,
  payload_digest bytea not null,
  state          text not null check (state in ('claimed', 'done', 'skipped', 'parked')),
  -- Tries that failed through the event itself. Outages are not counted, and neither are claims that
  -- ran out because their worker died or was stopped: those are "abandoned".
  attempts       int not null default 0,
  abandoned      int not null default 0,
  lease_token    uuid not null,
  lease_until    timestamptz not null,
  -- What there is to publish, as JSON, until it is published: an array of derived events, or the dead letter of an event
  -- that is parked. Text, since jsonb would refuse \u0000 and reorder the keys.
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
  -- The key first: it alone is selective. With the stage first, a planner without statistics takes
  -- the stage for selective, and reads the whole index for every batch.
  primary key (event_key, stage, stage_version)
) with (fillfactor = 60);

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
-- and the views in the schema memory read the live one. views_digest says which text they are of.
create table memfleet.projection_generations (
  projection   text not null,
  generation   int not null,
  version      int not null,
  lanes        int not null,
  state        text not null check (state in ('live', 'next', 'previous', 'retired')),
  views_digest text,
  created_at   timestamptz not null default now(),
  primary key (projection, generation)
);
create unique index projection_generations_live on memfleet.projection_generations (projection)
  where state = 'live';

-- How far a lane has applied the log. The truth about progress: the durable's ack state is for
-- displays. stream_created and the digest of the event at that position tell a restored or recreated
-- stream from the one read so far; both are null until the lane has read something.
create table memfleet.checkpoints (
  projection     text not null,
  generation     int not null,
  lane           int not null,
  epoch          bigint not null default 0,
  position       bigint not null default 0,
  stream_created text,
  event_digest   bytea,
  event_time     timestamptz,
  updated_at     timestamptz not null default now(),
  primary key (projection, generation, lane)
);

-- What the owner of a lane last said of it. Not in the checkpoint's row: a transaction that hangs
-- holds that one locked, and then of all times somebody wants to know.
create table memfleet.lane_reports (
  projection  text not null,
  generation  int not null,
  lane        int not null,
  instance    text not null,
  state       text not null,
  cause       text,
  since       timestamptz not null default now(),
  reported_at timestamptz not null default now(),
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
