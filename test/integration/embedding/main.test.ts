import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, inject, test } from 'vitest';
import { contentDigest } from '../../../workers/embedding/src/stored-vectors.ts';
import { until } from '../../support/until.ts';
import { WorkerProcess } from '../../support/worker-process.ts';
import { EmbeddingFleet } from './running-stage.ts';

const MAIN = fileURLToPath(new URL('../../../workers/embedding/src/main.ts', import.meta.url));

function environmentOf({ config, database }: EmbeddingFleet): Record<string, string> {
  const { log, deadLetters, advisories } = config;
  return {
    NATS_URL: inject('natsUrl'),
    DATABASE_URL: database.url,
    MEMFLEET_LOG_STREAM: log.stream,
    MEMFLEET_LOG_ROOT: log.root,
    MEMFLEET_DEAD_LETTERS_STREAM: deadLetters.stream,
    MEMFLEET_DEAD_LETTERS_ROOT: deadLetters.root,
    MEMFLEET_ADVISORIES_STREAM: advisories.stream,
  };
}

test('the process embeds the events in the log, and ends with 0 on SIGTERM', async () => {
  await using fleet = await EmbeddingFleet.create();
  await fleet.publishContents(['Ada prefers tea.', 'Bob prefers coffee.']);
  const worker = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'], ...environmentOf(fleet) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(worker, 'exit');
  const said: string[] = [];
  worker.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  worker.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  try {
    await fleet.published(2);
    const vectors = await fleet.vectors();
    expect(vectors.has(contentDigest('Ada prefers tea.'))).toBe(true);
    await until('the results are acknowledged', async () => {
      const rows = await fleet.work();
      return rows.length === 2 && rows.every(({ state }) => state === 'done');
    });
    worker.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    expect(said.join('')).not.toContain('prefers');
  } finally {
    worker.kill('SIGKILL');
    await exited;
  }
});

test('events that waited by tenant for a model are counted and processed without one, too', async () => {
  await using fleet = await EmbeddingFleet.create();
  const { pool } = fleet.database;
  await fleet.publishContents(['Ada prefers tea.', 'Bob prefers coffee.', 'Cleo prefers milk.']);
  // As a worker with a model leaves them: acked, and only in the table.
  const consumer = await fleet.broker.jetstream.consumers.get(
    fleet.config.log.stream,
    'embedding-content',
  );
  for await (const message of await consumer.fetch({ max_messages: 3 })) await message.ackAck();
  await pool.query(
    `insert into memfleet.tenant_queue (stage, tenant, sequence)
     select 'embedding', 'acme', generate_series(1, 3)`,
  );
  // Nobody can take them yet.
  const holder = await pool.connect();
  await holder.query('set idle_in_transaction_session_timeout = 0');
  await holder.query('begin; select from memfleet.tenant_queue for update');
  await using worker = new WorkerProcess(MAIN, environmentOf(fleet));
  await worker.ready();
  const address = /"health":"(?<url>[^"]+)"/.exec(worker.log)?.groups?.['url'] ?? '';
  await until('health counts them', async () => {
    const health = (await (await fetch(address)).json()) as { readonly backlog?: number };
    return health.backlog === 3;
  });
  expect(await fleet.work()).toEqual([]);
  await holder.query('commit');
  holder.release();
  await fleet.published(3);
  await until('nothing waits', async () => {
    const { rows } = await pool.query('select from memfleet.tenant_queue');
    return rows.length === 0;
  });
  worker.kill('SIGTERM');
  await worker.endsWith(0);
});

test("a process configured for another number of partitions than the log's does not start", async () => {
  await using fleet = await EmbeddingFleet.create();
  const env = { ...environmentOf(fleet), MEMFLEET_LOG_PARTITIONS: '4' };
  await using worker = new WorkerProcess(MAIN, env);
  expect(await worker.ended()).toBe(1);
  expect(worker.log).toMatch(/"code":"LOG_DIFFERS".*was not created as configured/);
});
