import { park } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { allDone, FLOOD, flooded, parksSome, watched } from '../../support/flooded-stage.ts';
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
 * What happens while dead letters are refused: one of them for good, or any.
 */

test.concurrent.each([1, 16])(
  'a letter that is refused for good stops the others once at most (%i at a time)',
  async (concurrency) => {
    await using bench = await createStageBench({
      'stages.extraction.concurrency': String(concurrency),
      'stages.extraction.batch': String(concurrency),
    });
    const { jsm } = bench.broker;
    await bench.publish(memoryCreated('x'.repeat(8_000), { memory: 'm-large' }));
    // Its headers alone are too large for the stream, so that it is refused without the bytes as well.
    await jsm.streams.update(bench.config.deadLetters.stream, { max_msg_size: 1_400 });
    const stage = storing(storesNothing, async (event, { sequence }) =>
      (event.data as { content: string }).content.length > 4_096
        ? park('invalid_input', 'too long '.repeat(110))
        : { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] },
    );
    const running = bench.start(stage);
    await pausedBecause(running, /no dead letter is accepted/);
    // Letters that are accepted show which one is to blame.
    await bench.broker.jetstream.publish(
      `${bench.config.log.root}.acme.note.content.created`,
      'no event',
    );
    await until('another is parked', async () => (await bench.deadLetters()) === 1, 60_000);
    await until('it goes on', () => running.progress.state.state !== 'paused');
    let pauses = 0;
    const before = await deliveries(bench);
    const isDelivered = async (): Promise<boolean> => {
      if (running.progress.state.state === 'paused') pauses += 1;
      return (await deliveries(bench)) >= before + 3;
    };
    await until('it is delivered three times more', isDelivered, 60_000);
    expect(pauses).toBe(0);
    await bench.publish(...notes(3));
    await until('the others are done', async () => (await bench.derived()) === 3);
    await jsm.streams.update(bench.config.deadLetters.stream, { max_msg_size: -1 });
    await until('it is parked', async () => (await bench.deadLetters()) === 2, 60_000);
    expect(stage.calls).toHaveLength(4);
  },
  120_000,
);

test.concurrent.each([
  ['max_msgs', /no dead letter is accepted: .*maximum messages exceeded.*[Rr]aise the limit/],
  ['max_bytes', /no dead letter is accepted: .*maximum bytes exceeded.*[Rr]aise the limit/],
])(
  'a dead-letter stream at its %s pauses the stage, and no letter is lost',
  async (limit, cause) => {
    await using bench = await flooded();
    const { jsm } = bench.broker;
    const { stream } = bench.config.deadLetters;
    await bench.publish(...notes(FLOOD));
    await jsm.streams.update(stream, { [limit]: limit === 'max_msgs' ? 10 : 8_192 });
    const stage = storing(storesNothing, parksSome);
    const running = bench.start(stage);
    await pausedBecause(running, cause);
    const there = await bench.deadLetters();
    expect(stage.calls.length).toBeLessThanOrEqual(there * 3 + 3 * 16);
    expect(await watched(bench, stage, 4_000)).toEqual({ deliveries: 0, calls: 0 });
    await jsm.streams.update(stream, { [limit]: -1 });
    await allDone(bench, FLOOD / 3);
    expect(stage.calls).toHaveLength(FLOOD);
  },
  90_000,
);

test.concurrent('a dead-letter stream that is gone pauses the stage until it exists again', async () => {
  await using bench = await flooded();
  const { jsm } = bench.broker;
  const { stream } = bench.config.deadLetters;
  const { config } = await jsm.streams.info(stream);
  await bench.publish(...notes(FLOOD));
  await jsm.streams.delete(stream);
  const stage = storing(storesNothing, parksSome);
  const running = bench.start(stage);
  await pausedBecause(running, /no stream takes dead letters/);
  expect(stage.calls.length).toBeLessThanOrEqual(3 * 16);
  await jsm.streams.add(config);
  await allDone(bench, FLOOD / 3);
  expect(stage.calls).toHaveLength(FLOOD);
}, 90_000);

test.concurrent('a dead-letter stream that refuses for another reason lets a trickle through, and ends by itself', async () => {
  await using bench = await flooded();
  const { jsm } = bench.broker;
  const { stream } = bench.config.deadLetters;
  const { config } = await jsm.streams.info(stream);
  await bench.publish(...notes(FLOOD));
  await jsm.streams.update(stream, Object.assign({}, config, { sealed: true }));
  const stage = storing(storesNothing, parksSome);
  const running = bench.start(stage);
  await pausedBecause(running, /no dead letter is accepted: .*sealed/);
  const { calls } = await watched(bench, stage, 4_000);
  expect(calls).toBeLessThanOrEqual(2);
  expect(stage.calls.length).toBeLessThanOrEqual(3 * 16);
  await jsm.streams.delete(stream);
  await jsm.streams.add({ ...config, sealed: false });
  await allDone(bench, FLOOD / 3);
}, 90_000);
