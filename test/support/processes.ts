import { readdirSync, readFileSync } from 'node:fs';

/** Whether a process runs: a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false; // no such process
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return process.platform !== 'linux'; // ended in between, or a system without /proc
  }
}

/**
 * Every process that was started with this variable in its environment, or names the text in its
 * command line (PostgreSQL writes over its environment). Linux only.
 */
export function processesOf(mark: string): number[] {
  const found = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    return ['environ', 'cmdline'].some((file) => read(`/proc/${name}/${file}`).includes(mark));
  });
  return found.map(Number).filter((pid) => pid !== process.pid && isAlive(pid));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // ended in between, or somebody else's
  }
}
