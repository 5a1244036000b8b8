// Runs a program in the foreground, in place of this one.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';

// Without the comments, which would appear in the process list.
const leash = readFileSync(new URL('../leash.sh', import.meta.url), 'utf8').replaceAll(
  /^#.*\n/gm,
  '',
);

// Longer than the drain of any worker, so that a graceful shutdown is never cut short.
const graceSeconds = 45;

/**
 * Runs `command` with our standard streams, unless `capture` collects what it prints. Passes SIGINT, SIGTERM and
 * SIGHUP on, waits, and resolves to { code, output }: the exit code, 128 + n after signal n. The program ends when we
 * end, also after SIGKILL.
 */
export function run(command, args, { cwd, env, capture = false }) {
  return new Promise((resolve, reject) => {
    const streams = capture
      ? ['ignore', 'pipe', 'pipe', 'pipe']
      : ['inherit', 'inherit', 'inherit', 'pipe'];
    const child = spawn(
      '/bin/sh',
      ['-c', leash, 'leash', 'TERM', String(graceSeconds), command, ...args],
      {
        cwd,
        env,
        stdio: streams,
      },
    );
    let output = '';
    for (const stream of capture ? [child.stdout, child.stderr] : []) {
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    }
    const guard = child.stdio[3];
    guard.on('error', () => guard.destroy()); // the guard is gone already and needs no message

    const passOn = passSignalsTo(child);
    child.on('error', (error) => {
      passOn.end();
      reject(error);
    });
    // On exit, not on close: the guard holds the other end of its pipe, and close waits for that.
    child.on('exit', () => guard.end('done\n'));
    child.on('close', (code, signal) => {
      passOn.end();
      resolve({ code: code ?? 128 + constants.signals[signal], output });
    });
  });
}

function passSignalsTo(child) {
  const lastSent = new Map();
  const send = (signal) => {
    // One Ctrl-C arrives up to three times (terminal, npm, us). Programs treat a second one as "at once!".
    const now = performance.now();
    if (now - (lastSent.get(signal) ?? -Infinity) < 1000) return;
    lastSent.set(signal, now);
    child.kill(signal);
  };
  const onInterrupt = () => {
    // The terminal sends Ctrl-C to every process of the foreground group, the child included.
    if (!inForeground()) send('SIGINT');
  };
  const onTerminate = () => send('SIGTERM');
  const onHangUp = () => send('SIGHUP');
  process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate).on('SIGHUP', onHangUp);

  // An npm that is killed outright notifies nobody. Only under npm: a shell that started us may end before us.
  const before = starters();
  const underNpm = process.env.npm_lifecycle_event !== undefined;
  const watch = underNpm && setInterval(() => starters() !== before && onTerminate(), 1000);
  if (watch) watch.unref();

  return {
    end() {
      process.off('SIGINT', onInterrupt).off('SIGTERM', onTerminate).off('SIGHUP', onHangUp);
      if (watch) clearInterval(watch);
    },
  };
}

/** Our parent, and its parent when ours is the shell in which npm starts scripts: one of them is npm. */
function starters() {
  const parent = process.ppid;
  if (process.platform !== 'linux') return String(parent);
  try {
    const stat = readFileSync(`/proc/${parent}/stat`, 'latin1');
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    if (!/^(ba|da|a|z|k)?sh$/.test(name)) return String(parent);
    const [, grandparent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${parent} ${grandparent}`;
  } catch {
    return String(parent); // it has just ended: the next look finds another one
  }
}

/** Whether we are in the foreground process group of a terminal. */
function inForeground() {
  if (process.platform !== 'linux') return process.stdin.isTTY === true;
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return terminal !== '0' && group === foreground;
}
