import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { memoryCreated } from '../../support/events.ts';
import { startModelService } from '../../support/model-service.ts';
import { createStageBench, type StageBench } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

const MAIN = `${import.meta.dirname}/../../../workers/extraction/src/main.ts`;

/** The worker as a process, as the fleet starts it. */
function startWorker(bench: StageBench, modelUrl: string, extra: Record<string, string> = {}) {
  const { log, deadLetters, advisories } = bench.config;
  return spawn(process.execPath, [MAIN], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      NATS_URL: bench.broker.url,
      DATABASE_URL: bench.database.url,
      MEMFLEET_LOG_STREAM: log.stream,
      MEMFLEET_LOG_ROOT: log.root,
      MEMFLEET_DEAD_LETTERS_STREAM: deadLetters.stream,
      MEMFLEET_DEAD_LETTERS_ROOT: deadLetters.root,
      MEMFLEET_ADVISORIES_STREAM: advisories.stream,
      MEMFLEET_STAGES_EXTRACTION_ACK_WAIT: '1s',
      MEMFLEET_STAGES_EXTRACTION_LEASE: '1s',
      MEMFLEET_STAGES_EXTRACTION_PROVIDER_KIND: 'openai-compatible',
      MEMFLEET_STAGES_EXTRACTION_PROVIDER_BASE_URL: modelUrl,
      MEMFLEET_STAGES_EXTRACTION_PROVIDER_MODEL: 'test-model',
      ...extra,
    },
  });
}

test.each([
  // What is recorded is published from the record: no second call.
  ['after-record', 1],
  ['after-publish', 1],
  ['before-ack', 1],
  // Died inside the call: only this one is made again.
  ['in-call', 2],
] as const)('killed %s: one effect in the end, after at most %i calls', async (crashAt, calls) => {
  await using service = await startModelService();
  await using bench = await createStageBench({ 'stages.extraction.ackWait': '1s' });
  await bench.publish(memoryCreated('Ada prefers tea.'));
  const doomed = startWorker(bench, service.url, { MEMFLEET_CRASH_AT: crashAt });
  const [, signal] = (await once(doomed, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  const heir = startWorker(bench, service.url);
  try {
    await until('it is extracted', async () => (await bench.derived()) === 1);
    await bench.settled();
  } finally {
    heir.kill('SIGTERM');
  }
  const [code] = (await once(heir, 'exit')) as [number | null];
  expect(code).toBe(0);
  expect(await bench.derived()).toBe(1);
  expect(await bench.deadLetters()).toBe(0);
  expect(await bench.work()).toMatchObject([{ state: 'done', published: true }]);
  expect(service.calls.length).toBeGreaterThanOrEqual(1);
  expect(service.calls.length).toBeLessThanOrEqual(calls);
});
