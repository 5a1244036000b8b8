-- Every event and what led to it.
create table lineage (
  event_key      uuid primary key,
  event_id       text not null,
  tenant         text not null,
  memory         text not null,
  source         text not null,
  type           text not null,
  time           timestamptz not null,
  correlation_id text not null,
  causation_id   text not null,
  sequence       bigint not null
);
create index lineage_memory on lineage (tenant, memory, sequence);
create index lineage_event on lineage (event_id);
create index lineage_cause on lineage (causation_id);
