import { readFile } from 'node:fs/promises';
import { workerProgram } from '@memfleet/fleet';
import { leash } from '@memfleet/local';
import { WORKER_FLAGS } from '@memfleet/runtime';
import type { ThrowAwayFleet } from './throw-away-fleet.ts';

/** A worker as in production, in a process of its own. Disposing stops it. */
export interface BenchWorker extends AsyncDisposable {
  /** @throws Error with its last log lines, when it has ended */
  checkAlive(): void;
  /** Its peak memory so far, in MB; undefined where the system does not report it. */
  peakMB(): Promise<number | undefined>;
}

const GRACE_SECONDS = 30;

export async function startBenchWorker(
  name: string,
  { env }: ThrowAwayFleet,
): Promise<BenchWorker> {
  const child = await leash({
    command: process.execPath,
    args: [...WORKER_FLAGS, ...workerProgram(name)],
    stopSignal: 'SIGTERM',
    graceSeconds: GRACE_SECONDS,
    env,
    cwd: process.cwd(),
  });
  let end: string | undefined;
  void child.exited.then(({ reason }) => {
    end = `${reason}: ${child.lastLines()}`;
  });
  return {
    checkAlive() {
      if (end !== undefined) throw new Error(`the ${name} worker ended by itself, ${end}`);
    },
    peakMB: () => peakOf(child.pid),
    [Symbol.asyncDispose]: () => child.stop(),
  };
}

async function peakOf(pid: number): Promise<number | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    return kilobytes === undefined ? undefined : Math.round((Number(kilobytes) * 1_024) / 1e6);
  } catch {
    // Only Linux records the peak.
    return undefined;
  }
}
