import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { leash } from '@memfleet/local';
import { describe, expect, it } from 'vitest';
import { isAlive } from '../../support/processes.ts';
import { until } from '../../support/until.ts';

const LEASH = new URL('../../../deploy/local/src/leash.ts', import.meta.url).href;

describe('leash', () => {
  it('runs a program, passes on its lines and its exit code', async () => {
    const lines: string[] = [];
    const { exited } = await leash({
      command: '/bin/sh',
      args: ['-c', 'echo one; echo two >&2; exit 3'],
      stopSignal: 'SIGTERM',
      graceSeconds: 5,
      onLine: (line) => lines.push(line),
    });
    expect(await exited).toEqual({ wanted: false, code: 3, reason: 'exit code 3' });
    expect(lines.toSorted()).toEqual(['one', 'two']);
  });

  it('kills a program that does not end within the grace period', async () => {
    const lines: string[] = [];
    const stubborn = await leash({
      command: '/bin/sh',
      args: ['-c', `trap '' TERM; echo ready; while :; do sleep 0.1; done`],
      stopSignal: 'SIGTERM',
      graceSeconds: 0.3,
      onLine: (line) => lines.push(line),
    });
    await until('the trap is set', () => lines.includes('ready'));
    await stubborn.stop();
    expect(await stubborn.exited).toMatchObject({ wanted: true, reason: 'signal SIGKILL' });
  });

  it('lets nothing outlive a starter that is killed outright', async () => {
    const starter = spawn(process.execPath, [
      '--input-type=module',
      '--eval',
      `import { leash } from ${JSON.stringify(LEASH)};
       const child = await leash({ command: '/bin/sleep', args: ['300'], stopSignal: 'SIGTERM', graceSeconds: 5 });
       console.log(child.pid);`,
    ]);
    const [line] = (await once(createInterface({ input: starter.stdout }), 'line')) as [string];
    const pid = Number(line);
    expect(isAlive(pid)).toBe(true);
    starter.kill('SIGKILL');
    await until('the child is gone', () => !isAlive(pid), 10_000);
  });
});
