import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The folder for downloads that every clone shares: `MEMFLEET_CACHE`, else `memfleet` in the user's cache folder. */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const own = env['MEMFLEET_CACHE'];
  const dir = own
    ? resolve(own)
    : join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'memfleet');
  mkdirSync(dir, { recursive: true });
  return dir;
}
