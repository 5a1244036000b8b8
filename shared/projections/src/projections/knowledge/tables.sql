-- Which extraction a memory's facts and mentions are from. The guard is the position of the content
-- that was read, so an extraction that comes late does not replace that of newer content.
create table extractions (
  tenant    text not null,
  memory    text not null,
  sequence  bigint,
  cause_seq bigint not null,
  primary key (tenant, memory)
);

create table facts (
  tenant     text not null,
  memory     text not null,
  ordinal    int not null,
  text       text not null,
  subject    text not null,
  predicate  text not null,
  object     text not null,
  confidence double precision not null,
  sequence   bigint not null,
  primary key (tenant, memory, ordinal)
);

create table mentions (
  tenant   text not null,
  memory   text not null,
  name     text not null,
  type     text not null,
  mentions int not null,
  sequence bigint not null,
  primary key (tenant, memory, name, type)
);
create index mentions_entity on mentions (tenant, name, type);
