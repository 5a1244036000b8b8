create table notes (
  tenant      text not null,
  memory      text not null,
  content     text check (content <> 'refused'),
  content_seq bigint,
  revisions   bigint,
  primary key (tenant, memory)
);

create table revisions (
  event_key uuid primary key,
  memory    text not null,
  sequence  bigint not null
);
