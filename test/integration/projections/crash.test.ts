import { fileURLToPath } from 'node:url';
import { createEvent, type Envelope, nameBasedId } from '@memfleet/events';
import { hashTables, PROJECTIONS } from '@memfleet/projections';
import { expect, inject, test } from 'vitest';
import { brokerOfFile } from '../../support/broker.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';
import {
  appendAll,
  createTestFleet,
  environmentOf,
  type TestFleet,
} from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { WorkerProcess } from '../../support/worker-process.ts';

const broker = brokerOfFile();

const MAIN = fileURLToPath(new URL('../../../workers/projection/src/main.ts', import.meta.url));

/** Every tenth event copies the one five before, and every second copy has another payload. */
const isCopy = (index: number): boolean => index % 10 === 9;
const isOther = (index: number): boolean => index % 20 === 19;

/** Created, revised (some stored twice), recalled. */
const LOG: readonly Envelope[] = Array.from({ length: 300 }, (_, index) => {
  const turn = isCopy(index) ? index - 5 : index;
  const said = isOther(index) ? 'other' : `c-${turn}`;
  const types = ['memory.created', 'memory.revised', 'memory.accessed'] as const;
  const type = types[turn % 3] ?? 'memory.created';
  return createEvent({
    tenant: 't',
    memory: `m-${Math.floor(turn / 3) % 20}`,
    type,
    source: '/test',
    id: nameBasedId('crash', String(turn)),
    time: '2026-01-01T00:00:00Z',
    data: type === 'memory.accessed' ? { by: said } : { content: said },
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

const COPIES = LOG.flatMap((_, index) =>
  isCopy(index)
    ? [{ sequence: index + 1, first: index - 4, verdict: isOther(index) ? 'other' : 'same' }]
    : [],
);

async function judgedCopies({ pool }: TestFleet): Promise<unknown[]> {
  return await until('every copy is compared', async () => {
    const { rows } = await pool.query<{ verdict: string | null }>(
      `select sequence::int, first_sequence::int as first, verdict
        from memfleet.event_copies order by sequence`,
    );
    return rows.every(({ verdict }) => verdict !== null) && rows;
  });
}

async function hashesOf(fleet: TestFleet): Promise<unknown> {
  return await Promise.all(PROJECTIONS.map((projection) => hashTables(fleet.pool, projection, 1)));
}

test('a worker killed at any point of a transaction leaves the tables correct', async () => {
  const names = uniqueNames();
  const settings = {
    ...names,
    'projections.batch': '7',
    'projections.lease': '1s',
    'workers.report': '100ms',
  };
  const config = testSettings(settings);
  await using fleet = await createTestFleet(broker, config, PROJECTIONS);
  await appendAll(broker, config, LOG);
  for (const crash of ['before-commit:3', 'after-commit:5', 'before-commit:1', 'after-commit:1']) {
    await using worker = startWorker(fleet, settings, { MEMFLEET_CRASH_AT: crash });
    await worker.endsWith('SIGKILL');
  }
  await using last = startWorker(fleet, settings);
  await fleet.applied(LOG.length);
  expect(await judgedCopies(fleet)).toEqual(COPIES);
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
