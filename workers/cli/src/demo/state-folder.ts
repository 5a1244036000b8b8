import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { removePostgresData } from '@memfleet/local';

/** Where a demo's fleet keeps its state, and whether the demo deletes it at the end. */
export interface StateFolder {
  readonly path: string;
  /** Nobody asked to keep it. */
  readonly temporary: boolean;
  readonly remove: () => Promise<void>;
}

export async function openStateFolder(
  stateDir: string | undefined,
  keep: boolean,
): Promise<StateFolder> {
  const path = stateDir === undefined ? await makeTemporary() : resolve(stateDir);
  return {
    path,
    temporary: stateDir === undefined && !keep,
    remove: async () => {
      // The data may be elsewhere, where the user that PostgreSQL runs as can reach it.
      await removePostgresData(join(path, 'postgres'));
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function makeTemporary(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'memfleet-demo-'));
  // When we are root, PostgreSQL's user needs to pass through the folder; nobody else can list it.
  await chmod(path, 0o711);
  return path;
}
