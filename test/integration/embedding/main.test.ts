import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { contentDigest } from '@memfleet/recall';
import { expect, inject, test } from 'vitest';
import { until } from '../../support/until.ts';
import { EmbeddingFleet } from './running-stage.ts';

const MAIN = fileURLToPath(new URL('../../../workers/embedding/src/main.ts', import.meta.url));

test('the process embeds what is in the log, and ends with 0 on SIGTERM', async () => {
  await using fleet = await EmbeddingFleet.create();
  const { log, deadLetters, advisories } = fleet.config;
  await fleet.publishContents(['Ada prefers tea.', 'Bob prefers coffee.']);
  const worker = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env['PATH'],
      NATS_URL: inject('natsUrl'),
      DATABASE_URL: fleet.database.url,
      MEMFLEET_LOG_STREAM: log.stream,
      MEMFLEET_LOG_ROOT: log.root,
      MEMFLEET_DEAD_LETTERS_STREAM: deadLetters.stream,
      MEMFLEET_DEAD_LETTERS_ROOT: deadLetters.root,
      MEMFLEET_ADVISORIES_STREAM: advisories.stream,
    },
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
