import { join } from 'node:path';
import { RuntimeError } from '@memfleet/runtime';
import { tryLock } from '../bootstrap/lock.mjs';

/**
 * Reserves a server's data folder for this process. Neither server guards its folder well enough: nats-server opens a
 * store that another one writes, and PostgreSQL's own lock does not cover initdb.
 */
export function lockData(dataDir: string, server: string): { release: () => void } {
  const lock = tryLock(join(dataDir, 'owner.lock'));
  if ('release' in lock) return lock;
  throw new RuntimeError(
    'DATA_IN_USE',
    `process ${lock.owner} already runs ${server} on ${dataDir}`,
  );
}
