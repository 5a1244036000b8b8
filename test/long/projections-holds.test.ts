import { expect, test } from 'vitest';
import { surviveHolds } from '../chaos/hold-storm.ts';
import { brokerOfFile } from '../support/broker.ts';

const broker = brokerOfFile();

const LIMIT_MS = 600_000;

test.each([1, 2, 3])(
  'lanes skip no event of 100,000 under holds that come and go, seed %i',
  { timeout: LIMIT_MS },
  async (seed) => {
    const saw = await surviveHolds(broker, { events: 100_000, seed });
    expect(saw.wrong).toBe(0);
    expect(saw.holds).toBeGreaterThan(100);
    expect(saw.verifications).toBeGreaterThan(0);
    expect(saw.promotions).toBeGreaterThan(0);
  },
);

/**
 * A refused lane looks a second time, after others had a turn, and takes what it finds for the hold that
 * refused it.
 */
const TWO_LOOKS = `
create or replace function memfleet.move_checkpoint(
  projection_ text, generation_ int, lane_ int, epoch_ bigint, from_ bigint, to_ bigint,
  stream_created_ text, event_digest_ bytea, event_time_ timestamptz
) returns void language plpgsql as $$
begin
  for look in 1..2 loop
    update memfleet.checkpoints
      set position = case when look = 1 then to_ else greatest(to_, hold_at) end,
        stream_created = stream_created_, event_digest = null, event_time = event_time_
      where projection = projection_ and generation = generation_ and lane = lane_
        and epoch = epoch_ and position = from_
        and (hold_at is null or hold_at >= to_ or hold_until < clock_timestamp());
    if found then
      return;
    end if;
    perform pg_sleep(0.15);
  end loop;
  raise exception 'the checkpoint cannot be moved' using errcode = 'MF001',
    detail = (select json_build_object('epoch', epoch::text, 'position', position, 'heldAt', hold_at)
      from memfleet.checkpoints
      where projection = projection_ and generation = generation_ and lane = lane_)::text;
end $$`;

test('a lane that checks its hold twice is caught', { timeout: LIMIT_MS }, async () => {
  const saw = await surviveHolds(broker, { events: 40_000, seed: 4, planted: TWO_LOOKS });
  expect(saw.wrong).toBeGreaterThan(0);
});
