import { chmod, lstat, mkdir } from 'node:fs/promises';
import { RuntimeError } from '@memfleet/runtime';

/**
 * Creates, as root, a folder that everybody may pass and only root may change. Refuses one that somebody else could have
 * filled: we run programs from there and store data there.
 */
export async function rootsOwnFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o022) !== 0) {
    throw new RuntimeError(
      'SERVER_NOT_FOUND',
      `${path} must be a folder that only root can write to: remove or correct it`,
    );
  }
  // Regardless of root's umask.
  await chmod(path, 0o755);
  return path;
}
