import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { ServerExit } from './server.ts';

export interface LeashOptions {
  command: string;
  args: readonly string[];
  /** The signal that asks this program for a graceful shutdown. */
  stopSignal: 'SIGINT' | 'SIGTERM';
  /** How long the graceful shutdown may take, in seconds, before SIGKILL. */
  graceSeconds: number;
  env?: NodeJS.ProcessEnv | undefined;
  /** Default `/`: the user it runs as may not have access to our own folder. */
  cwd?: string | undefined;
  /** Runs as this user (only root may set it). */
  user?: { uid: number; gid: number } | undefined;
  onLine?: ((line: string) => void) | undefined;
}

/** A running program that ends with us. */
export interface Leashed {
  readonly pid: number;
  readonly exited: Promise<ServerExit & { code: number | null }>;
  /** Ends gracefully, with SIGKILL after the grace period; resolves when the program is gone. */
  readonly stop: () => Promise<void>;
  readonly kill: () => Promise<void>;
  /** The last lines it printed, for error messages. */
  readonly lastLines: () => string;
}

// Without the comments, which would appear in the process list.
const script = readFileSync(new URL('../leash.sh', import.meta.url), 'utf8').replaceAll(
  /^#.*\n/gm,
  '',
);
const keptLines = 12;

/**
 * Starts a program that ends when this process ends in any way, SIGKILL included (see leash.sh). It runs in a session of
 * its own, so that Ctrl-C reaches us alone and our shutdown decides the order in which servers end.
 */
export async function leash(options: LeashOptions): Promise<Leashed> {
  const { command, args, stopSignal, graceSeconds, user } = options;
  const signalName = stopSignal.slice('SIG'.length);
  const child = spawn(
    '/bin/sh',
    ['-c', script, 'leash', signalName, String(graceSeconds), command, ...args],
    {
      cwd: options.cwd ?? '/',
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
      ...user,
    },
  );
  const closed = once(child, 'close');
  // Only a failed spawn rejects, and then the await below has thrown already.
  closed.catch(() => undefined);
  await once(child, 'spawn');
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${command} has started without a process id`);

  const recent: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    readLines(stream, (line) => {
      recent.push(line);
      if (recent.length > keptLines) recent.shift();
      options.onLine?.(line);
    });
  }

  const guard = child.stdio[3] as Writable;
  // The guard ends by itself when its work is done; a line sent after that is not needed.
  guard.on('error', () => guard.destroy());

  // On exit, not on close: the guard holds the other end of its pipe, and close waits for that.
  child.once('exit', () => guard.end('done\n'));

  let wanted = false;
  const exited = closed.then((result) => {
    const [code, signal] = result as [number | null, NodeJS.Signals | null];
    return { wanted, code, reason: signal === null ? `exit code ${code}` : `signal ${signal}` };
  });

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    wanted = true;
    const hard = setTimeout(() => child.kill('SIGKILL'), graceSeconds * 1000);
    // No effect when it has ended already: Node knows that and sends nothing.
    child.kill(signal);
    await exited;
    clearTimeout(hard);
  };

  return {
    pid,
    exited,
    stop: () => end(stopSignal),
    kill: () => end('SIGKILL'),
    lastLines: () => recent.join('\n'),
  };
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Infinity }).on('line', onLine);
}
