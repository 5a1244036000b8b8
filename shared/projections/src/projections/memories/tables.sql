-- What is known of each memory. A column group changes as a whole and only upwards: its guard is the
-- log position it was written from (see kit/guards.ts; negative: the first in the log stands).
create table memories (
  tenant         text not null,
  memory         text not null,
  content        text,
  language       text,
  lexemes        text,
  length         int,
  content_seq    bigint,
  kind           text,
  kind_seq       bigint,
  importance     double precision,
  importance_seq bigint,
  scope_user     text,
  scope_agent    text,
  scope_session  text,
  speaker_role   text,
  speaker_name   text,
  valid_from     timestamptz,
  created_at     timestamptz,
  origin_seq     bigint,
  revised_at     timestamptz,
  revised_seq    bigint,
  superseded_by  text,
  superseded_at  timestamptz,
  superseded_seq bigint,
  forgotten_at   timestamptz,
  forgotten_seq  bigint,
  primary key (tenant, memory)
);

-- The lexemes of a row, each once or more under its tenant and its language: a common word costs by the
-- tenant and not by the fleet, and the stem of one language is never taken for that of another.
-- Not written in SQL, which the planner would put in place of the call: it would forget what a call costs,
-- and make all of them for a small table instead of reading the index.
create function keys_of(tenant text, language text, lexemes text) returns text[]
  language plpgsql immutable parallel safe cost 1000 as $$
declare
  prefix constant text := to_hex(hashtext(tenant)) || '.' || language || ':';
begin
  return string_to_array(
    prefix || replace(btrim(replace(lexemes, '.', '')), '  ', '  ' || prefix), '  ');
end $$;

-- Entries gather in a pending list and are merged in bulk: 40 µs a row in all, against 85 with each
-- merged at once (measured with the default list of 4 MB). Projection workers merge it every second; an
-- entry takes some 300 bytes for 100 characters of content, so 8 MB hold 25,000 rows until then.
create index memories_keys on memories using gin ((keys_of(tenant, language, lexemes) collate "C"))
  with (gin_pending_list_limit = 8192);

-- The turns of a session, in the order in which they were said.
create index memories_session on memories (tenant, scope_session, created_at, abs(origin_seq))
  where scope_session is not null;

-- The memories of a user or an agent, which may be a few of the tenant's or nearly all: in the order of
-- the log, so that the newest of many are found without the others.
create index memories_user on memories (tenant, scope_user, abs(origin_seq))
  where scope_user is not null;
create index memories_agent on memories (tenant, scope_agent, abs(origin_seq))
  where scope_agent is not null;

-- Every recall of a memory, by the event that told of it: counting rows cannot count twice.
create table accesses (
  event_key   uuid primary key,
  tenant      text not null,
  memory      text not null,
  accessed_at timestamptz not null,
  accessed_by text,
  rank        int,
  sequence    bigint not null
);
create index accesses_memory on accesses (tenant, memory, accessed_at);

-- Which vector stands for a memory's content or one of its facts. The guard is the position of the
-- event the vector was made from, so a late vector of older content changes nothing.
create table embeddings (
  tenant         text not null,
  memory         text not null,
  target         text not null,
  ordinal        int not null,
  space          text not null,
  content_sha256 text not null,
  sequence       bigint not null,
  primary key (tenant, memory, target, ordinal, space)
);
-- The newest of a tenant, for a search that cannot compare all of them.
create index embeddings_newest on embeddings (tenant, space, sequence);
create index embeddings_vector on embeddings (space, content_sha256);
