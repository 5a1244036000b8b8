import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../workers/cli/src/main.ts', import.meta.url));

/** Tests must not see the servers and settings of the person who runs them. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = new Set(['MEMFLEET_CACHE', 'MEMFLEET_NATS_SERVER', 'MEMFLEET_CONTAINERS']);
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) =>
        kept.has(name) || !/^(MEMFLEET_|NATS_|DATABASE_URL|NODE_OPTIONS|VITEST)/.test(name),
    ),
  );
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `memfleet` command. */
export interface RunningCommand {
  readonly process: ChildProcess;
  /** The first line on standard output that fits; fails when the command ends without one. */
  line(fits: (line: string) => boolean): Promise<string>;
  /** Its standard error so far. */
  readonly said: () => string;
  readonly ended: Promise<CommandResult>;
}

export function startCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): RunningCommand {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const errors: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    stdout: lines.join('\n'),
    stderr: errors.join('\n'),
  }));
  return {
    process: child,
    ended,
    said: () => errors.join('\n'),
    async line(fits) {
      for (;;) {
        const found = lines.find(fits);
        if (found !== undefined) return found;
        const next = await Promise.race([once(child.stdout, 'data'), ended]);
        if (Array.isArray(next)) continue;
        throw new Error(`the command ended with ${String(next.code)}:\n${next.stderr}`);
      }
    },
  };
}

export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  return await startCommand(args, env).ended;
}
