-- Statistics come from the access log, per row that is read and only if asked for. The sequence is
-- that of the last event which said something about the memory itself, the position that of its
-- creation, content_sequence that of the event its content is from. `keys` is the expression of an index
-- (tables.sql): the same to the letter.
create or replace view memory.memories as
select tenant, memory, content, kind, importance, scope_user, scope_agent, scope_session,
  speaker_role, speaker_name, valid_from, created_at, revised_at, superseded_by, superseded_at,
  forgotten_at,
  (select count(*) from accesses
    where accesses.tenant = memories.tenant and accesses.memory = memories.memory) as access_count,
  (select max(accessed_at) from accesses
    where accesses.tenant = memories.tenant and accesses.memory = memories.memory)
    as last_accessed_at,
  greatest(abs(origin_seq), revised_seq, superseded_seq, abs(forgotten_seq)) as sequence,
  abs(origin_seq) as position,
  language, lexemes, length,
  keys_of(tenant, language, lexemes) collate "C" as keys,
  case when content is not null then abs(content_seq) end as content_sequence
from memories;

create or replace view memory.accesses as
select event_key, tenant, memory, accessed_at, accessed_by, rank, sequence from accesses;

create or replace view memory.embeddings as
select tenant, memory, target, ordinal, space, content_sha256, sequence from embeddings;
