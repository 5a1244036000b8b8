-- breaking
-- A lane that may not move on is told by the refusing statement itself what refused it. A second
-- look at the row may find another hold by then, and the lane would skip events up to that one.

-- Which hold stands there: whoever set it releases this one, and no other at the same position.
alter table memfleet.checkpoints add column hold_id uuid;

drop function memfleet.advance_checkpoint(text, int, int, bigint, bigint, bigint, text, bytea, timestamptz);

-- Moves a lane's checkpoint, or fails with MF001 and, as the detail, what it saw under the lock of the
-- row: the owner's epoch, the position, and the hold that is in force (null without one).
create function memfleet.move_checkpoint(
  projection_ text, generation_ int, lane_ int, epoch_ bigint, from_ bigint, to_ bigint,
  stream_created_ text, event_digest_ bytea, event_time_ timestamptz
) returns void language plpgsql as $$
declare
  seen record;
begin
  select epoch, position, case when hold_until >= clock_timestamp() then hold_at end as held_at
    into seen
    from memfleet.checkpoints
    where projection = projection_ and generation = generation_ and lane = lane_
    for update;
  -- `found` first: without a row the fields of `seen` are null, and null refuses nothing.
  if not found or seen.epoch <> epoch_ or seen.position <> from_ or seen.held_at < to_ then
    raise exception 'the checkpoint cannot be moved from % to %', from_, to_
      using errcode = 'MF001', detail = json_build_object(
        'epoch', seen.epoch::text, 'position', seen.position, 'heldAt', seen.held_at)::text;
  end if;
  update memfleet.checkpoints
    set position = to_, stream_created = stream_created_, event_digest = event_digest_,
      event_time = event_time_, updated_at = now()
    where projection = projection_ and generation = generation_ and lane = lane_;
end $$;

-- A flight is a transaction whose statements are all sent before the first is answered. One that
-- never reaches the server, or runs before the transaction has begun, must not leave the others
-- behind. Each statement therefore counts itself, and fails with MF003 outside of a flight; the last
-- one before the commit fails with MF003 unless all have.
create function memfleet.in_flight() returns void language plpgsql as $$
declare
  statements text := current_setting('memfleet.flight', true);
begin
  -- A setting that was local to an earlier transaction of the connection is empty, not null.
  if coalesce(statements, '') = '' then
    raise exception 'the transaction of the flight has not begun' using errcode = 'MF003';
  end if;
  perform set_config('memfleet.flight', (statements::int + 1)::text, true);
end $$;

create function memfleet.land(statements int) returns void language plpgsql as $$
begin
  if current_setting('memfleet.flight', true) is distinct from statements::text then
    raise exception 'only % of % statements of the flight were run',
      coalesce(nullif(current_setting('memfleet.flight', true), ''), 'none'), statements
      using errcode = 'MF003';
  end if;
end $$;
