import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import { createTestDatabase } from '../../support/database.ts';
import { WorkerProcess } from '../../support/worker-process.ts';

const MAIN = fileURLToPath(new URL('../../support/failing-worker.ts', import.meta.url));

/** The log lines of a worker with these words. */
function logged(log: string, message: string): Record<string, unknown>[] {
  return log
    .split('\n')
    .filter((line) => line.includes(message))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test.each([
  ['rejection', 'a promise that nobody waits for'],
  ['exception', 'a callback that throws'],
  ['nothing', 'an error without a text'],
])(
  'an error that nothing catches (%s) is said, and ends the worker in order',
  async (how, says) => {
    await using database = await createTestDatabase();
    const env = { NATS_URL: inject('natsUrl'), DATABASE_URL: database.url, FAILURE: how };
    await using worker = new WorkerProcess(MAIN, env);
    expect(await worker.ended()).toBe(1);
    const [fatal, ...more] = logged(worker.log, 'an error that nothing caught:');
    expect(fatal).toMatchObject({ level: 'fatal', error: { message: says } });
    expect(more).toEqual([]);
    expect(logged(worker.log, 'what was held is finished')).toHaveLength(1);
    expect(logged(worker.log, 'stopped')).toHaveLength(1);
  },
);

test('a second fault, from the same cause or from the drain, is logged and changes nothing', async () => {
  await using database = await createTestDatabase();
  const env = { NATS_URL: inject('natsUrl'), DATABASE_URL: database.url };
  await using worker = new WorkerProcess(MAIN, { ...env, FAILURE: 'twice', AGAIN: 'yes' });
  expect(await worker.ended()).toBe(1);
  expect(logged(worker.log, 'an error that nothing caught:')).toHaveLength(4);
  expect(logged(worker.log, 'what was held is finished')).toHaveLength(1);
  expect(logged(worker.log, 'stopped')).toHaveLength(1);
});

test('a broker that ends the connection for good leaves time for what is held', async () => {
  await using database = await createTestDatabase();
  const env = { NATS_URL: inject('natsUrl'), DATABASE_URL: database.url, FAILURE: 'closed' };
  await using worker = new WorkerProcess(MAIN, env);
  expect(await worker.ended()).toBe(1);
  expect(logged(worker.log, 'what was held is finished')).toHaveLength(1);
  expect(logged(worker.log, 'NATS closed the connection:')).toMatchObject([
    { level: 'fatal', code: 'BROKER_REFUSED' },
  ]);
});
