import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { RuntimeError } from '@memfleet/runtime';

export interface RunUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const run = promisify(execFile);

/** PostgreSQL refuses to run as root. The user that runs it instead; undefined when we are not root. */
export async function findRunUser(): Promise<RunUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const [uid, gid] = await Promise.all([idOf('-u', name), idOf('-g', name)]);
    if (uid === undefined || gid === undefined) continue;
    const user = { name, uid, gid };
    if (await canRun('/bin/true', [], user)) return user;
  }
  throw new RuntimeError(
    'SERVER_NOT_FOUND',
    'PostgreSQL does not run as root and there is no user "postgres" or "nobody" that root may become here: ' +
      'run this as another user, or set DATABASE_URL',
  );
}

/** Whether `user` can run this program: can reach it, may execute it, and it exits with 0. */
export async function canRun(
  program: string,
  args: readonly string[],
  user: RunUser | undefined,
): Promise<boolean> {
  try {
    await run(program, args, { cwd: '/', timeout: 10_000, ...idsOf(user) });
    return true;
  } catch {
    return false; // it cannot, for any reason
  }
}

/** The part of spawn's options that runs a program as `user`. */
export function idsOf(user: RunUser | undefined): { uid: number; gid: number } | undefined {
  return user && { uid: user.uid, gid: user.gid };
}

async function idOf(flag: '-u' | '-g', name: string): Promise<number | undefined> {
  try {
    const { stdout } = await run('id', [flag, name]);
    return Number(stdout);
  } catch {
    return undefined; // no such user
  }
}
