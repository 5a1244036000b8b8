// A lock file that is released by its owner's death. Plain JavaScript, because the bootstrap needs it before
// anything is installed; the types for the rest of the package are in lock.d.mts.
import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Takes the lock at `path` without waiting. Returns a function that releases it, or the id of the living process
 * that holds it. A lock whose owner is dead is taken over.
 */
export function tryLock(path) {
  const mine = `${process.pid} ${startOf(process.pid)}\n`;
  const draft = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  // link() makes the file appear with its content, so nobody ever reads a half-written owner.
  writeFileSync(draft, mine);
  try {
    for (;;) {
      if (tryLink(draft, path)) return { release: () => release(path, mine) };
      const theirs = read(path);
      if (theirs === undefined) continue;
      const owner = living(theirs);
      if (owner !== undefined) return { owner };
      takeAway(path, theirs);
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

// Two processes may find the same dead owner at once, and the slower one could remove the faster one's new lock. So
// the file is first moved aside, and put back when it turns out to be another one.
function takeAway(path, stale) {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (read(aside) !== stale) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function release(path, mine) {
  if (read(path) === mine) rmSync(path, { force: true });
}

function living(content) {
  const [pid, ...start] = content.trim().split(' ');
  const owner = Number(pid);
  return owner > 0 && startOf(owner) === start.join(' ') ? owner : undefined;
}

// A process id alone is not enough after a reboot or in a container, where small ids are reused at once: the start
// time distinguishes processes with the same id. Undefined when there is no such process.
function startOf(pid) {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      // Field 22; the name in field 2 may hold blanks and parentheses.
      return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    }
    const start = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
    return start.trim().replace(/\s+/g, ' ');
  } catch {
    return undefined; // no such process: /proc has no entry, ps exits with 1
  }
}
