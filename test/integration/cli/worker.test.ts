import { once } from 'node:events';
import { expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { type CliFleet, createCliFleet, runCli, startCli } from './run-cli.ts';

/** Two processes start one after the other, on cores shared with other tests. */
const LIMIT_MS = 100_000;

async function pidOf(fleet: CliFleet, worker: string): Promise<number | undefined> {
  const { rows } = await fleet.database.pool.query<{ pid: number }>(
    `select pid from memfleet.worker_reports where worker = $1 and state <> 'starting'`,
    [worker],
  );
  return rows[0]?.pid;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test(
  'a worker runs until SIGTERM and ends gracefully',
  async () => {
    await using fleet = await createCliFleet();
    const child = startCli(['worker', 'extraction'], { env: fleet.env, cwd: fleet.folder });
    const closed = once(child, 'close');
    const pid = await until('the worker reports', () => pidOf(fleet, 'extraction'), LIMIT_MS);
    expect(pid).not.toBe(child.pid);
    child.kill('SIGTERM');
    expect(await closed).toEqual([0, null]);
    expect(isAlive(pid)).toBe(false);
  },
  LIMIT_MS * 1.2,
);

test(
  'a worker does not outlive the command that started it',
  async () => {
    await using fleet = await createCliFleet();
    const child = startCli(['worker', 'extraction'], { env: fleet.env, cwd: fleet.folder });
    const pid = await until('the worker reports', () => pidOf(fleet, 'extraction'), LIMIT_MS);
    child.kill('SIGKILL');
    await until('the worker is gone', () => !isAlive(pid));
    expect(child.killed).toBe(true);
  },
  LIMIT_MS * 1.2,
);

test(
  "the worker's exit code is the command's, and flags reach it",
  async () => {
    await using fleet = await createCliFleet({ provisioned: false });
    const { NATS_URL, DATABASE_URL, MEMFLEET_CONFIG } = fleet.env;
    const missing = await runCli(['worker', 'extraction', '--config', MEMFLEET_CONFIG ?? ''], {
      env: { NATS_URL, DATABASE_URL },
      cwd: fleet.folder,
    });
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain(fleet.config.log.stream);
    const wrong = await runCli(['worker', 'extraction', '--config', 'none.yaml'], {
      env: { NATS_URL, DATABASE_URL },
      cwd: fleet.folder,
    });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('none.yaml cannot be read');
  },
  LIMIT_MS * 1.2,
);
