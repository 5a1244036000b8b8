-- A batch of a projection is sent in one piece, from `begin` to `commit`, without waiting for what
-- comes in between. So whatever must not go on has to fail: PostgreSQL then refuses the rest of the
-- transaction, and its commit is a rollback.

-- Moves a lane's checkpoint, or fails: with MF001 when it does not stand where the batch begins, when
-- another owner has the lane, or when it is held; with MF003 outside of the transaction that writes
-- the rows, as if that had never begun: each statement would be committed by itself then.
create function memfleet.advance_checkpoint(
  projection_ text, generation_ int, lane_ int, epoch_ bigint, from_ bigint, to_ bigint,
  stream_created_ text, event_digest_ bytea, event_time_ timestamptz
) returns void language plpgsql as $$
begin
  if current_setting('memfleet.flight', true) is distinct from 'on' then
    raise exception 'the transaction of the batch has not begun' using errcode = 'MF003';
  end if;
  update memfleet.checkpoints
    set position = to_, stream_created = stream_created_, event_digest = event_digest_,
      event_time = event_time_, updated_at = now()
    where projection = projection_ and generation = generation_ and lane = lane_
      and epoch = epoch_ and position = from_
      and (hold_at is null or hold_at >= to_ or hold_until < clock_timestamp());
  if not found then
    raise exception 'the checkpoint cannot be advanced from here' using errcode = 'MF001';
  end if;
end $$;

-- Fails with MF002 when a statement found rows that were there before: what is to be done with them
-- takes another look, and a transaction of its own.
create function memfleet.require_fresh(fresh bigint, given bigint) returns void
  language plpgsql immutable as $$
begin
  if fresh <> given then
    raise exception '% of % rows were there before', given - fresh, given using errcode = 'MF002';
  end if;
end $$;
