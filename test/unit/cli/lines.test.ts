import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Line, readLines } from '../../../workers/cli/src/publish/lines.ts';

async function* chunksOf(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) {
    yield await Promise.resolve(bytes.subarray(start, start + size));
  }
}

async function linesOf(text: string | Buffer, size = 7, maxBytes = 1_000): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const batch of readLines(chunksOf(Buffer.from(text), size), maxBytes)) {
    lines.push(...batch.lines);
  }
  return lines;
}

test('blank lines are counted and left out, a byte order mark is removed', async () => {
  expect(await linesOf('\uFEFF{"a":1}\r\n\n  \r\n{"b":2}')).toEqual([
    { number: 1, text: '{"a":1}\r' },
    { number: 4, text: '{"b":2}' },
  ]);
  expect(await linesOf('')).toEqual([]);
  expect(await linesOf('\n\n\n')).toEqual([]);
});

test('a line over the limit and one that is not UTF-8 are problems, their neighbours are not', async () => {
  const bad = Buffer.from([0x22, 0xc0, 0xaf, 0x22]);
  const input = Buffer.concat([
    Buffer.from('one\n'),
    bad,
    Buffer.from(`\n${'x'.repeat(21)}\n${'y'.repeat(20)}\n`),
  ]);
  expect(await linesOf(input, 5, 20)).toEqual([
    { number: 1, text: 'one' },
    { number: 2, problem: 'the line is not UTF-8' },
    { number: 3, problem: 'the line is 21 bytes, over the limit of 20' },
    { number: 4, text: 'y'.repeat(20) },
  ]);
});

test('a line over the limit is not buffered while it is skipped', async () => {
  const piece = Buffer.alloc(1024 * 1024, 'x');
  async function* endless(): AsyncGenerator<Buffer> {
    for (let count = 0; count < 400; count += 1) yield await Promise.resolve(Buffer.from(piece));
    yield Buffer.from('\nlast\n');
  }
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  const lines: Line[] = [];
  for await (const batch of readLines(endless(), 64 * 1024)) {
    peak = Math.max(peak, process.memoryUsage().arrayBuffers);
    lines.push(...batch.lines);
  }
  expect(lines.map(({ number }) => number)).toEqual([1, 2]);
  // Buffered, the line would take 400 MB; the rest is garbage that is not collected yet.
  expect(peak - before).toBeLessThan(200 * 1024 * 1024);
});

test('the lines are the same for any division of the bytes into reads', async () => {
  const text = fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', ' ')));
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 40 }), async (lines, size) => {
      const joined = lines.join('\n');
      const expected = joined
        .split('\n')
        .map((line, index) => ({
          number: index + 1,
          text: index === 0 ? line.replace(/^\uFEFF/, '') : line,
        }))
        .filter((line) => line.text.trim() !== '');
      expect(await linesOf(joined, size, 100_000)).toEqual(expected);
    }),
  );
});
