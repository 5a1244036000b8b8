import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isAtLeast, MINIMUM_SERVER } from '@memfleet/runtime';

const run = promisify(execFile);

/** The version of a nats-server binary; undefined when the path is no such program. */
export async function natsServerVersion(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    return /v(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
  } catch {
    return undefined; // missing, not executable, or another program: in any case no nats-server
  }
}

/** Below zero when `a` is older than `b`; a pre-release counts as its release. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbers(a), numbers(b)];
  for (const index of [0, 1, 2]) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const numbers = (version: string): number[] =>
  version.split('-', 1)[0]?.split('.').map(Number) ?? [];

export const isNewEnough = (version: string): boolean => isAtLeast(version, MINIMUM_SERVER);
