import { fileURLToPath } from 'node:url';
import { createEvent, type Envelope, nameBasedId } from '@memfleet/events';
import { hashTables, PROJECTIONS } from '@memfleet/projections';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';
import { WorkerProcess } from '../../support/worker-process.ts';
import { appendAll, createTestFleet, environmentOf, type TestFleet } from './support.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

const MAIN = fileURLToPath(new URL('../../../workers/projection/src/main.ts', import.meta.url));

/** Created, revised (some stored twice), recalled. */
const LOG: readonly Envelope[] = Array.from({ length: 300 }, (_, index) => {
  const turn = index % 10 === 9 ? index - 5 : index;
  const types = ['memory.created', 'memory.revised', 'memory.accessed'] as const;
  const type = types[turn % 3] ?? 'memory.created';
  return createEvent({
    tenant: 't',
    memory: `m-${Math.floor(turn / 3) % 20}`,
    type,
    source: '/test',
    id: nameBasedId('crash', String(turn)),
    time: '2026-01-01T00:00:00Z',
    data: type === 'memory.accessed' ? {} : { content: `c-${turn}` },
  });
});

function startWorker(
  fleet: TestFleet,
  settings: Readonly<Record<string, string>>,
  extra: Readonly<Record<string, string>> = {},
): WorkerProcess {
  return new WorkerProcess(MAIN, {
    ...environmentOf(settings),
    ...extra,
    NATS_URL: inject('natsUrl'),
    DATABASE_URL: fleet.url,
  });
}

async function hashesOf(fleet: TestFleet): Promise<unknown> {
  return await Promise.all(PROJECTIONS.map((projection) => hashTables(fleet.pool, projection, 1)));
}

test('killed at any point of a transaction, a worker leaves the tables right', async () => {
  const names = uniqueNames();
  const settings = { ...names, 'projections.batch': '7', 'projections.lease': '1s' };
  const config = testSettings(settings);
  await using fleet = await createTestFleet(broker, config, PROJECTIONS);
  await appendAll(broker, config, LOG);
  for (const crash of ['before-commit:3', 'after-commit:5', 'before-commit:1', 'after-commit:1']) {
    await using worker = startWorker(fleet, settings, { MEMFLEET_CRASH_AT: crash });
    await worker.endsWith('SIGKILL');
  }
  await using last = startWorker(fleet, settings);
  await fleet.applied(LOG.length);
  last.kill('SIGTERM');
  await last.endsWith(0);
  const { rows } = await fleet.pool.query(
    `select name from memfleet.leases where lease_until > now()`,
  );
  expect(rows).toEqual([]);

  await using undisturbed = await createTestFleet(broker, config, PROJECTIONS);
  const engine = undisturbed.start();
  await undisturbed.applied(LOG.length);
  await engine.stop();
  expect(await hashesOf(fleet)).toEqual(await hashesOf(undisturbed));
}, 180_000);
