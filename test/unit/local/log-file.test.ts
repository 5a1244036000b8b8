import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogFile } from '../../../deploy/local/src/fleet/log-file.ts';

describe('LogFile', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'memfleet-log-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('continues where the last run ended', async () => {
    const path = join(folder, 'worker.log');
    for (const line of ['first run', 'second run']) {
      const log = new LogFile(path);
      log.write(line);
      log.end();
    }
    expect(await readFile(path, 'utf8')).toBe('first run\nsecond run\n');
  });

  it('never takes more than about twice its limit, and loses the oldest lines first', async () => {
    const path = join(folder, 'worker.log');
    const log = new LogFile(path, 1_000);
    for (let number = 1; number <= 500; number += 1) log.write(`line ${number}`);
    log.end();
    const [old, current] = await Promise.all([
      readFile(`${path}.1`, 'utf8'),
      readFile(path, 'utf8'),
    ]);
    expect(old.length + current.length).toBeLessThan(2_100);
    const numbers = `${old}${current}`.match(/\d+/g)?.map(Number) ?? [];
    expect(numbers.at(-1)).toBe(500);
    // No gap where one file ends and the next begins.
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
  });

  it('rotates a full file of an earlier run at once', async () => {
    const path = join(folder, 'worker.log');
    await writeFile(path, 'x'.repeat(2_000));
    const log = new LogFile(path, 1_000);
    log.write('fresh');
    log.end();
    expect(await readFile(path, 'utf8')).toBe('fresh\n');
  });

  it('accepts late lines after its end', async () => {
    const log = new LogFile(join(folder, 'worker.log'));
    log.end();
    log.write('too late');
    log.end();
    expect(await readFile(log.path, 'utf8')).toBe('');
  });
});
