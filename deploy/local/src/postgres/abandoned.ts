import { lstat, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { systemCode } from '../errors.ts';

// Longer than the moment between creating a folder and creating the link to it.
const YOUNGEST_MS = 3_600_000;

/** Records, in a data folder at another place, to which folder it belongs. */
export async function noteOrigin(target: string, dataDir: string): Promise<void> {
  await writeFile(join(target, 'origin'), `${dataDir}\n`, { mode: 0o600 });
}

/**
 * Removes the data of servers whose own folder was in the system's folder for temporary files and is gone:
 * data of tests and demos that were killed before they could clean up. Data of any other folder may be
 * needed again, when a disk is mounted or a backup is restored.
 */
export async function sweepAbandoned(farAway: string, now = Date.now()): Promise<void> {
  for (const name of await readdir(farAway)) {
    const target = join(farAway, name);
    if (await isAbandoned(target, now)) await rm(target, { recursive: true, force: true });
  }
}

async function isAbandoned(target: string, now: number): Promise<boolean> {
  try {
    const origin = (await readFile(join(target, 'origin'), 'utf8')).trim();
    if (!origin.startsWith(`${tmpdir()}${sep}`)) return false;
    if (now - (await stat(join(target, 'origin'))).mtimeMs < YOUNGEST_MS) return false;
    return await isGone(origin);
  } catch (error) {
    // It has no record, or another process is removing it at this moment.
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function isGone(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return true;
    throw error;
  }
}
