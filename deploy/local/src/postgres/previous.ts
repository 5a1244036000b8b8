import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { RuntimeError } from '@memfleet/runtime';
import { systemCode } from '../errors.ts';

// A fast shutdown writes a last checkpoint; the guard kills a server that takes longer.
const patienceSeconds = 30;

/**
 * Makes sure that nothing of an earlier server is left in `pgdata`: waits while one is still shutting down (its starter
 * was killed a moment ago), and removes a postmaster.pid whose process is gone or is another program. PostgreSQL itself
 * takes any live process with that id for a server, and after a restart of a container there often is one.
 */
export async function awaitPrevious(
  pgdata: string,
  onProgress: ((message: string) => void) | undefined,
): Promise<void> {
  // Other systems have no /proc, so PostgreSQL's own check must suffice.
  if (process.platform !== 'linux') return;
  const deadline = performance.now() + patienceSeconds * 1000;
  let told = false;
  for (;;) {
    const left = await processesIn(pgdata);
    if (left.length === 0) break;
    if (performance.now() > deadline) {
      throw new RuntimeError(
        'DATA_IN_USE',
        `PostgreSQL (process ${left[0]}) still runs on ${pgdata}, started by another program`,
      );
    }
    if (!told) onProgress?.('waiting for the PostgreSQL of an earlier run to end');
    told = true;
    await wait(50);
  }
  await rm(join(pgdata, 'postmaster.pid'), { force: true });
}

/** All processes of a server, postmaster and backends, have its data folder as working directory. */
async function processesIn(pgdata: string): Promise<number[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(ids.map((id) => workingDirectory(id)));
  return ids.filter((_, index) => folders[index] === pgdata).map(Number);
}

async function workingDirectory(id: string): Promise<string | undefined> {
  try {
    // A zombie process has no working directory any more.
    return await readlink(join('/proc', id, 'cwd'));
  } catch (error) {
    // It ended meanwhile, or belongs to another user: our servers belong to us, or we are root.
    if (['ENOENT', 'EACCES', 'ESRCH'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

/** Whether the server has written that it accepts connections; pg_ctl waits for the same. */
export async function isReady(pgdata: string, pid: number): Promise<boolean> {
  try {
    const lines = (await readFile(join(pgdata, 'postmaster.pid'), 'utf8')).split('\n');
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
