-- Positions at which the log holds an event again that it held before, outside of the broker's
-- duplicate window. Found by whoever keeps a row for every event, in the transaction that meets the
-- copy; compared with the first afterwards. Shared by all generations: each finds the same rows.
create table memfleet.event_copies (
  event_key       uuid not null,
  sequence        bigint not null,
  -- Where the log has the event for the first time.
  first_sequence  bigint not null,
  found_at        timestamptz not null default now(),
  -- same: it says the same. other: it says something else under the same id, and somebody must look.
  -- erased: one of the two is not in the log any more. Null until they were compared.
  verdict         text check (verdict in ('same', 'other', 'erased')),
  judged_at       timestamptz,
  -- As the copy says it; null until it was read.
  tenant          text,
  event_id        text,
  type            text,
  -- Set by a person who has dealt with it: the log keeps it, `memfleet status` does not count it.
  acknowledged_at timestamptz,
  -- The key first: a rebuild, or a lane that meets an earlier copy, asks what is known of an event.
  primary key (event_key, sequence)
);
create index event_copies_unjudged on memfleet.event_copies (sequence) where verdict is null;
create index event_copies_conflicting on memfleet.event_copies (sequence)
  where verdict = 'other' and acknowledged_at is null;
