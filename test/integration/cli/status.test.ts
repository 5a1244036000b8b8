import { createEvent, Publisher } from '@memfleet/events';
import { headers } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { type CliFleet, createCliFleet, startCli } from './run-cli.ts';

interface Status {
  stream: Record<string, unknown>;
  workers: Record<string, unknown>[];
  projections: { projection: string; lanes: Record<string, unknown>[] }[];
  conflictingCopies: Record<string, unknown>;
}

async function statusOf(fleet: CliFleet): Promise<Status> {
  const { stdout, stderr } = await fleet.run(['status', '--json']);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Status;
}

async function publishMemories(fleet: CliFleet, count: number): Promise<void> {
  const publisher = new Publisher(fleet.broker.connection, { log: fleet.config.log });
  for (let number = 0; number < count; number += 1) {
    await publisher.append(
      createEvent({
        tenant: 'acme',
        memory: `m-${number}`,
        type: 'memory.created',
        source: '/test',
        data: { content: 'Ada prefers tea.' },
      }),
    );
  }
}

/** A report from the future stays fresh for as long as the test takes. */
async function report(
  fleet: CliFleet,
  worker: string,
  state: string,
  ageMs = -3_600_000,
): Promise<void> {
  await fleet.database.pool.query(
    `insert into memfleet.worker_reports
      (instance, worker, host, pid, state, cause, in_flight, processed, rate, reported_at)
      values (gen_random_uuid(), $1, 'host', 1, $2, $3, 3, 7, 2.5, now() - $4 * interval '1 ms')`,
    [worker, state, state === 'paused' ? 'the quota is used up' : null, ageMs],
  );
}

test('status of a fleet at rest has the shape of the contract, and every worker is down', async () => {
  await using fleet = await createCliFleet();
  const { stream, workers, projections, conflictingCopies } = await statusOf(fleet);
  expect(conflictingCopies).toEqual({ count: 0, unjudged: 0, latest: [] });
  expect(stream).toMatchObject({ stream: fleet.config.log.stream, lastSequence: 0, bytes: 0 });
  expect(workers).toEqual(
    ['extraction', 'embedding', 'projection'].map((worker) => ({
      worker,
      processes: 0,
      lagEvents: 0,
      lagSeconds: 0,
      inFlight: 0,
      ratePerSecond: 0,
      redeliveries: 0,
      deadLetters: 0,
      state: 'down',
      cause: 'no process reports',
    })),
  );
  expect(projections.map(({ projection }) => projection)).toEqual([
    'knowledge',
    'lineage',
    'memories',
  ]);
  for (const { lanes } of projections) {
    expect(lanes).toMatchObject([
      { lane: 0, owner: null, position: 0, lagEvents: 0, lagSeconds: 0, state: 'unowned' },
    ]);
  }
});

test('status shows waiting events, their age, and dead letters', async () => {
  await using fleet = await createCliFleet();
  const { config, broker } = fleet;
  await publishMemories(fleet, 12);
  const letter = headers();
  letter.set('Nats-Expected-Stream', config.deadLetters.stream);
  for (const memory of ['m-1', 'm-2', 'm-3']) {
    await broker.connection.request(`${config.deadLetters.root}.extraction.acme.${memory}`, 'x', {
      headers: letter,
      timeout: 10_000,
    });
  }
  const consumer = await broker.jetstream.consumers.get(config.log.stream, 'extraction');
  for await (const message of await consumer.fetch({ max_messages: 4 })) {
    if (message.seq <= 3) await message.ackAck();
  }
  await report(fleet, 'extraction', 'working');
  await report(fleet, 'extraction', 'paused');
  await report(fleet, 'embedding', 'idle', 60_000);
  await fleet.database.pool.query(
    `update memfleet.checkpoints set position = 5 where projection = 'memories'`,
  );
  const [{ stream, workers, projections }, { stdout }] = await Promise.all([
    statusOf(fleet),
    fleet.run(['status']),
  ]);
  expect(stream).toMatchObject({ lastSequence: 12, messages: 12 });
  const [extraction, embedding, projection] = workers;
  expect(extraction).toMatchObject({
    processes: 2,
    lagEvents: 9,
    inFlight: 6,
    ratePerSecond: 5,
    deadLetters: 3,
    state: 'paused',
    cause: 'the quota is used up',
  });
  expect(extraction?.['lagSeconds']).toBeGreaterThan(0);
  expect(embedding).toMatchObject({ lagEvents: 12, state: 'down', processes: 0 });
  expect(projection).toMatchObject({ lagEvents: 12, deadLetters: 0 });
  const memories = projections.find(({ projection: name }) => name === 'memories');
  expect(memories?.lanes).toMatchObject([{ position: 5, lagEvents: 7 }]);

  expect(stdout).toMatch(/^stream \S+: 12 events, last 12, /);
  expect(stdout).toMatch(/\nWORKER +STATE +LAG +OLDEST .*\nextraction +paused +9 +\d+ (ms|s|min)/);
  expect(stdout).toMatch(/\nmemories +0 +unowned +5 +7 /);
});

test('--watch prints a line per second without a terminal, until it is interrupted', async () => {
  await using fleet = await createCliFleet();
  const child = startCli(['status', '--watch'], { env: fleet.env, cwd: fleet.folder });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  const closed = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  await until('two lines', () => stdout.split('\n').length > 2);
  child.kill('SIGINT');
  expect(await closed).toBe(0);
  expect(stdout.split('\n')[0]).toMatch(
    /^\S+Z · last 0 · extraction down, 0 waiting, 0\/s · embedding down.* · projection down/,
  );
});

test('--watch ends when nobody reads it any more', async () => {
  await using fleet = await createCliFleet();
  const child = startCli(['status', '--watch', '--json'], { env: fleet.env, cwd: fleet.folder });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await closed).toBe(0);
  expect(stderr).toBe('');
});
