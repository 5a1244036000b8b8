-- What one process of a stage has learnt of its service and all should know: until when, by this
-- database's clock, nobody is to call it, and why.
create table memfleet.provider_state (
  stage        text primary key,
  cause        text not null,
  paused_until timestamptz not null,
  instance     text not null,
  updated_at   timestamptz not null default now()
);

-- What calls cost, by the hour: added in the transaction that records their results. The tenant "*"
-- (no tenant can be called so) stands for all of them together.
create table memfleet.spend (
  stage         text not null,
  tenant        text not null,
  hour          timestamptz not null,
  calls         bigint not null default 0,
  input_tokens  bigint not null default 0,
  output_tokens bigint not null default 0,
  cost_usd      double precision not null default 0,
  primary key (stage, tenant, hour)
) with (fillfactor = 70);

-- Events that wait for their tenant's turn, or for its budget. The log has what they say; their
-- durable has them behind it, so that they hold up nobody. A row goes when its event is finished;
-- taken_until is to it what the ack wait is to a delivery.
create table memfleet.tenant_queue (
  stage       text not null,
  tenant      text not null,
  sequence    bigint not null,
  deliveries  int not null default 0,
  taken_until timestamptz not null default '-infinity',
  put_at      timestamptz not null default now(),
  primary key (stage, tenant, sequence)
) with (fillfactor = 70);
