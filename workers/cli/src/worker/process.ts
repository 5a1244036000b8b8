import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { BUILT_IN_WORKERS, workerProgram, workersOf } from '@memfleet/fleet';
import { WORKER_FLAGS } from '@memfleet/runtime';
import { expectOneOf } from '../expect-one-of.ts';
import { readConfig } from '../fleet.ts';
import type { Globals } from '../globals.ts';

/**
 * Runs a worker in the foreground and resolves to its exit code, 128 + n after signal n. The worker
 * shares our standard streams, receives our signals, and ends gracefully when this process ends in any
 * way, because the channel between the two then closes.
 */
export async function runWorkerProcess(name: string, globals: Globals): Promise<number> {
  if (!BUILT_IN_WORKERS.includes(name)) {
    expectOneOf('worker', name, workersOf(await readConfig(globals)));
  }
  const child = spawn(process.execPath, [...WORKER_FLAGS, ...workerProgram(name)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: workerEnvironment(globals, process.env),
  });
  const pass = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  process.on('SIGINT', pass).on('SIGTERM', pass).on('SIGHUP', pass);
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
  } finally {
    process.off('SIGINT', pass).off('SIGTERM', pass).off('SIGHUP', pass);
  }
}

/** Our flags, as the environment variables that a worker reads. */
function workerEnvironment(globals: Globals, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { configFile, stateDir, context } = globals;
  return {
    ...env,
    MEMFLEET_STATE: resolve(stateDir),
    ...(configFile === undefined ? {} : { MEMFLEET_CONFIG: resolve(configFile) }),
    ...(context === undefined ? {} : { MEMFLEET_CONTEXT: context }),
  };
}
