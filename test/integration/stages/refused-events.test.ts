import {
  createDerivedEvent,
  memoryExtracted,
  derivedEventId,
  type Envelope,
  type MemoryEvent,
} from '@memfleet/events';
import { expect, test } from 'vitest';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { allDone, FLOOD, flooded, watched } from '../../support/flooded-stage.ts';
import { createStageBench } from '../../support/stage.ts';
import {
  deliveries,
  IDENTITY,
  notes,
  pausedBecause,
  storesNothing,
  storing,
} from '../../support/storing-stage.ts';
import { until } from '../../support/until.ts';

/*
 * What happens to results that the log refuses: one of them, parts of one, or any while the log is full.
 */

const BAD = 'note 2';

/** Three derived events of one cause. */
function threeOf(cause: MemoryEvent, sequence: number, what: string): Envelope[] {
  return [0, 1, 2].map((ordinal) => {
    const derived = nothingExtracted(cause, sequence, IDENTITY);
    return createDerivedEvent(memoryExtracted, cause, {
      id: derivedEventId(cause, IDENTITY.name, IDENTITY.version, ordinal),
      source: '/stages/test',
      time: cause.time,
      data: { ...derived.data, empty_reason: `${what} ${ordinal}` } as never,
    });
  });
}

test.each([[[0]], [[1]], [[2]], [[0, 2]], [[0, 1]]])(
  'when the log has parts of a result (%j) in another form, the rest is published',
  async (there) => {
    await using bench = await createStageBench();
    const stage = storing(storesNothing, async (event, { sequence }) => {
      // They date from before its dedupe row, as after a restore of the database.
      for (const [index, other] of threeOf(event, sequence, 'old').entries()) {
        if (there.includes(index)) await bench.publisher.append(other, { timeIsAssigned: true });
      }
      return { kind: 'done', events: threeOf(event, sequence, 'new') };
    });
    await bench.publish(...notes(2));
    bench.start(stage);
    await bench.settled();
    expect(await bench.derived()).toBe(6);
    expect((await bench.work()).every(({ published }) => published)).toBe(true);
  },
);

test('when the log refuses one result for good, the others are published', async () => {
  await using bench = await createStageBench({ 'stages.extraction.linger': '50ms' });
  const { jsm } = bench.broker;
  const { stream, root } = bench.config.log;
  const stage = storing(storesNothing, async (event, { sequence }) => {
    const { content } = event.data as { content: string };
    const derived = nothingExtracted(event, sequence, IDENTITY);
    const data = { ...derived.data, empty_reason: content === BAD ? 'y'.repeat(250) : 'none' };
    return { kind: 'done', events: [{ ...derived, data }] };
  });
  const [bad, ...good] = notes(5).toSorted(({ data }) =>
    JSON.stringify(data).includes(BAD) ? -1 : 1,
  );
  await bench.publish(...good);
  const running = bench.start(stage);
  await bench.settled();
  const one = await jsm.streams.getMessage(stream, { last_by_subj: `${root}.*.*.*.derived.*` });
  const headers = [...(one?.header ?? [])].flat(2).join(': \r\n').length;
  await jsm.streams.update(stream, { max_msg_size: headers + (one?.data.length ?? 0) + 140 });
  await bench.publish(
    ...(bad === undefined ? [] : [bad]),
    ...[5, 6, 7, 8].map((index) => memoryCreated(`note ${index}`)),
  );
  await until('the others are published', async () => (await bench.derived()) === 8);
  const before = await deliveries(bench);
  await until('it is delivered again', async () => (await deliveries(bench)) >= before + 2);
  expect(running.progress.state.state).not.toBe('paused');
  await jsm.streams.update(stream, { max_msg_size: -1 });
  await bench.settled();
  expect([stage.calls.length, await bench.derived(), await bench.deadLetters()]).toEqual([9, 9, 0]);
});

test('a full log pauses the stage, costs no call, and work goes on when it has room', async () => {
  await using bench = await flooded();
  const { jsm } = bench.broker;
  const { stream } = bench.config.log;
  await bench.publish(...notes(FLOOD));
  await jsm.streams.update(stream, { max_msgs: FLOOD + 50 });
  const stage = storing(storesNothing);
  const running = bench.start(stage);
  await pausedBecause(running, /the log is full: .*maximum messages exceeded.*raise log\.maxBytes/);
  // The events in hand when it filled: twice the slots at most.
  const inFlight = 2 * 16;
  expect(stage.calls.length).toBeLessThanOrEqual(50 + inFlight);
  expect(await watched(bench, stage, 8_000)).toEqual({ deliveries: 0, calls: 0 });
  expect(stage.calls.length).toBeLessThanOrEqual(50 + inFlight);
  expect(running.progress.state).toMatchObject({ state: 'paused' });
  // Held events stay held, by heartbeats, and recorded.
  const rows = await bench.work();
  expect(rows.filter(({ state }) => state === 'claimed')).toEqual([]);
  // Room for some events is not room for all.
  await jsm.streams.update(stream, { max_msgs: FLOOD + 60 });
  await until('it is used', async () => (await bench.derived()) === 60);
  expect(running.progress.state).toMatchObject({ state: 'paused' });
  await jsm.streams.update(stream, { max_msgs: -1 });
  await allDone(bench);
  expect(stage.calls).toHaveLength(FLOOD);
  expect(running.progress.counts['failed'] ?? 0).toBe(0);
  expect(running.progress.state.state).not.toBe('paused');
}, 90_000);

test('a stage told to stop while the log is full leaves recorded results to others at once', async () => {
  await using bench = await flooded({ 'workers.shutdownGrace': '20s' });
  const { jsm } = bench.broker;
  const { stream } = bench.config.log;
  await bench.publish(...notes(40));
  await jsm.streams.update(stream, { max_msgs: 45 });
  const stage = storing(storesNothing);
  {
    await using first = bench.start(stage);
    await pausedBecause(first, /the log is full/);
    const startedAt = performance.now();
    await first.stop();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  }
  await jsm.streams.update(stream, { max_msgs: -1 });
  bench.start(stage);
  await bench.settled();
  expect([stage.calls.length, await bench.derived()]).toEqual([40, 40]);
});
