import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const LOG = fileURLToPath(new URL('../../../shared/runtime/src/observe/log.ts', import.meta.url));

/** Logs go to standard error, so a separate process writes them. */
function linesOf(script: string): Record<string, unknown>[] {
  const source = `
    const { createLogger } = await import(${JSON.stringify(LOG)});
    const log = createLogger({ worker: 'test', level: 'info', instance: 'test-1' });
    ${script}`;
  const { stderr, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('');
  return stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a line names the worker and its instance, and the level as a word', () => {
  const [line] = linesOf(`log.info({ sequence: 7 }, 'done');`);
  expect(line).toMatchObject({
    level: 'info',
    worker: 'test',
    instance: 'test-1',
    sequence: 7,
    msg: 'done',
  });
});

test('contents and secrets that are logged by mistake are redacted', () => {
  const lines = linesOf(`
    log.info({ data: { content: 'secret' }, content: 'secret', payload: 'secret' });
    log.info({ event: { data: 'secret', content: 'secret' }, apiKey: 'secret' });
    log.info({ provider: { apiKey: 'secret', password: 'secret' } });
    log.info({ headers: { authorization: 'Bearer secret' } });`);
  expect(lines).toHaveLength(4);
  expect(JSON.stringify(lines)).not.toContain('secret');
});

test('an error keeps type, message, code and cause, but not what the driver puts on it', () => {
  const [line] = linesOf(`
    const error = Object.assign(new Error('duplicate key', { cause: new Error('root') }), {
      code: '23505', detail: 'Key (content)=(secret)', parameters: ['secret'] });
    log.error({ error }, 'failed');`);
  expect(line?.['error']).toMatchObject({
    type: 'Error',
    message: 'duplicate key',
    code: '23505',
    cause: { message: 'root' },
  });
  expect(JSON.stringify(line)).not.toContain('secret');
});
