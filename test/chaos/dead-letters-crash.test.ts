import { fileURLToPath } from 'node:url';
import { publishSubject } from '@memfleet/events';
import type { CrashPoint } from '@memfleet/runtime';
import { park } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { createDeadLetterBench, parkAll } from '../integration/dead-letters/bench.ts';
import { memoryCreated } from '../support/events.ts';
import { until } from '../support/until.ts';
import { WorkerProcess } from '../support/worker-process.ts';

const EXTRACTION = fileURLToPath(new URL('../../workers/extraction/src/main.ts', import.meta.url));

/** Short, so that a dead worker's events are redelivered soon. */
const SETTINGS = {
  'stages.extraction.ackWait': '1s',
  'stages.extraction.lease': '800ms',
};
/** Small batches, so that there are several. */
const SMALL_BATCHES = { MEMFLEET_STAGES_EXTRACTION_BATCH: '4' };

test.each<CrashPoint>(['before-claim', 'after-record', 'after-publish', 'before-ack'])(
  'a worker that dies %s has each redriven event take effect once',
  async (point) => {
    await using bench = await createDeadLetterBench(SETTINGS);
    const events = Array.from({ length: 12 }, (_, index) => memoryCreated(`note ${index}`));
    await parkAll(bench, events, async () => park('invalid_output', 'no'));
    await bench.cli('redrive', '--all');
    {
      await using dying = new WorkerProcess(EXTRACTION, {
        ...bench.fleet.env,
        ...SMALL_BATCHES,
        MEMFLEET_CRASH_AT: `${point}:2`,
      });
      expect(await dying.ended()).toBe('SIGKILL');
    }
    await using worker = new WorkerProcess(EXTRACTION, bench.fleet.env);
    await worker.ready();
    await until('all took effect', async () => (await bench.derived()) === 12);
    await bench.settled();
    expect([await bench.derived(), await bench.ids(), await bench.queued()]).toEqual([12, [], 0]);
    const rows = await bench.work();
    expect(rows.every(({ state, redrives }) => state === 'done' && redrives === 1)).toBe(true);
  },
);

test('a worker that dies between a letter and its term leaves one letter per event', async () => {
  await using bench = await createDeadLetterBench(SETTINGS);
  const { config, broker, env } = bench.fleet;
  const subject = publishSubject(config.log.root, 'acme', 'note', 'content', 'created');
  for (let index = 1; index <= 5; index += 1) {
    await broker.jetstream.publish(subject, `no event ${index}`);
  }
  const start = (crashAt?: string): WorkerProcess =>
    new WorkerProcess(
      EXTRACTION,
      crashAt === undefined ? env : { ...env, MEMFLEET_CRASH_AT: crashAt },
    );
  // Once at the first parking, once at the parking after a redrive.
  for (const redrives of [0, 1]) {
    {
      await using dying = start('after-park');
      expect(await dying.ended()).toBe('SIGKILL');
    }
    await using worker = start();
    await worker.ready();
    await until('all are parked', async () => (await bench.ids()).length === 5);
    await bench.settled();
    const letters = await bench.letters();
    expect(new Set(letters.map(({ logSequence }) => logSequence))).toEqual(
      new Set([1, 2, 3, 4, 5]),
    );
    expect(letters.every((letter) => letter.redrives === redrives)).toBe(true);
    worker.kill('SIGTERM');
    await worker.ended();
    if (redrives === 0) await bench.cli('redrive', '--all');
  }
});
