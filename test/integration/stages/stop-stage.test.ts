import { createPool } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { counting } from '../../support/counting-stage.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { createStageBench } from '../../support/stage.ts';
import { IDENTITY } from '../../support/storing-stage.ts';
import { until } from '../../support/until.ts';

/*
 * How a stage ends: told to, or because its durable is gone.
 */

test('stopping finishes what is held and gives the rest back at once', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '4',
    'workers.shutdownGrace': '2s',
  });
  await bench.publish(...Array.from({ length: 8 }, (_, index) => memoryCreated(`note ${index}`)));
  const quick = Promise.withResolvers<void>();
  const stage = counting(async (event, { sequence, signal }) => {
    // One call hangs until it is told to stop, three finish.
    if (sequence === 1) {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('told to stop')), { once: true });
      });
    }
    await quick.promise;
    return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
  });
  const running = bench.start(stage);
  await until('all slots are taken', () => stage.calls.length === 4);
  const stopping = running.stop();
  quick.resolve();
  const startedAt = performance.now();
  await stopping;
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  // The stage requested no more than its slots, and the stopped event is free for others at once.
  const rows = await bench.work();
  expect(rows.map(({ state }) => state)).toEqual(['claimed', 'done', 'done', 'done']);
  expect(rows[0]).toMatchObject({ attempts: 0, abandoned: 0 });
  const other = counting();
  bench.start(other);
  await bench.settled();
  expect(other.calls).toHaveLength(5);
  expect(await bench.derived()).toBe(8);
});

test('the grace period counts from the signal, even if an input still waits', async () => {
  await using bench = await createStageBench({ 'workers.shutdownGrace': '1s' });
  const [held, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let isHeld = false;
  const holding = createPool(bench.database.url, bench.config.database, { name: 'test' });
  const query = holding.query.bind(holding) as (...all: unknown[]) => Promise<unknown>;
  holding.query = (async (...asked: [{ name?: string }]) => {
    // The look into the queue never ends.
    if (isHeld && asked[0].name === 'tenant-queue-waiting') {
      held.resolve();
      await over.promise;
    }
    return await query(...asked);
  }) as typeof holding.query;
  const called = Promise.withResolvers<void>();
  const running = bench.start(
    {
      ...IDENTITY,
      async handle() {
        called.resolve();
        return await Promise.withResolvers<never>().promise;
      },
    },
    { pool: holding },
  );
  await bench.publish(memoryCreated('a note'));
  await called.promise;
  isHeld = true;
  await held.promise;
  const stopping = running.stop();
  await until('its claim is given back', async () => {
    const { rows } = await bench.database.pool.query<{ free: boolean }>(
      `select lease_until = '-infinity' as free from memfleet.stage_work`,
    );
    return rows[0]?.free === true;
  });
  over.resolve();
  await stopping;
  expect(await bench.work()).toMatchObject([{ attempts: 0, abandoned: 0 }]);
  await holding.end();
});

test('a deleted durable ends the stage and is not recreated', async () => {
  await using bench = await createStageBench();
  const { stream } = bench.config.log;
  const running = bench.start(counting());
  await until('it pulls', async () => {
    const info = await bench.broker.jsm.consumers.info(stream, 'extraction');
    return info.num_waiting > 0;
  });
  await bench.broker.jsm.consumers.delete(stream, 'extraction');
  await expect(running.ended).rejects.toMatchObject({ code: 'CONSUMER_MISSING' });
  await expect(bench.broker.jsm.consumers.info(stream, 'extraction')).rejects.toThrow(/not found/);
});
