import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { questionOf, readCorpus } from '../../../../workers/cli/src/bench/recall/corpus.ts';

const KNOWN = new Set(['acme m-1', 'acme m-2']);
const GOOD = { tenant: 'acme', question: 'What does Ada drink?', expected: ['m-1'] };

function read(value: unknown): unknown {
  return questionOf(typeof value === 'string' ? value : JSON.stringify(value), 7, KNOWN);
}

test('a question, with and without a category', () => {
  expect(read(GOOD)).toEqual({ line: 7, ...GOOD, scope: {} });
  expect(read({ ...GOOD, category: 'habits' })).toMatchObject({ category: 'habits' });
});

test('fields that narrow the search become its scope', () => {
  const scoped = {
    ...GOOD,
    user: 'ada',
    agent: 'support',
    session: 's-1',
    kind: 'message',
    since: '2026-01-31T12:00:00Z',
    until: '2026-02-28T12:00:00+01:00',
    importance: 0.5,
  };
  expect(read(scoped)).toMatchObject({
    scope: {
      user: 'ada',
      agent: 'support',
      session: 's-1',
      kinds: ['message'],
      since: new Date('2026-01-31T12:00:00Z'),
      until: new Date('2026-02-28T11:00:00Z'),
      importance: 0.5,
    },
  });
});

test.each([
  ['{', 'the line is not JSON'],
  ['[]', 'the line is not a JSON object'],
  ['null', 'the line is not a JSON object'],
  [{ ...GOOD, tenant: 'a b' }, 'tenant: must be 1 to 64 letters'],
  [{ ...GOOD, question: ' ' }, 'question: must be a text'],
  [{ ...GOOD, question: 'x'.repeat(2_001) }, 'question: must be a text'],
  [{ ...GOOD, expected: [] }, 'expected: must be a list'],
  [{ ...GOOD, expected: 'm-1' }, 'expected: must be a list'],
  [{ ...GOOD, expected: [1] }, 'expected: must be a list'],
  [{ ...GOOD, expected: ['m-3'] }, 'no memory m-3 of tenant acme'],
  [{ ...GOOD, tenant: 'other' }, 'no memory m-1 of tenant other'],
  [{ ...GOOD, category: 'overall' }, 'the sum of all categories'],
  [{ ...GOOD, category: '' }, 'category: must be a text'],
  [{ ...GOOD, user: 7 }, 'user: must be a text'],
  [{ ...GOOD, kind: 'thought' }, 'kind: must be one of note'],
  [{ ...GOOD, since: 'yesterday' }, 'since: must be a time'],
  [{ ...GOOD, importance: 2 }, 'importance: must be a number'],
  [{ ...GOOD, expcted: 1 }, 'expcted: not a field of a question, did you mean expected?'],
  [
    { tenant: 'acme' },
    'question: must be a text of 1 to 2000 characters with a word in it; expected:',
  ],
])('a line that is no question: %j', (value, problem) => {
  expect(() => read(value)).toThrow(problem);
});

let folder: string;
let said: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'memfleet-corpus-'));
  said = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

async function corpusOf(events: string, questions: string): ReturnType<typeof readCorpus> {
  await writeFile(join(folder, 'events.jsonl'), events);
  await writeFile(join(folder, 'questions.jsonl'), questions);
  return await readCorpus(folder, new AbortController().signal);
}

const EVENT = JSON.stringify({
  tenant: 'acme',
  memory: 'm-1',
  type: 'memory.created',
  data: { content: 'Ada prefers tea to coffee.' },
});

test('both files, blank lines left out', async () => {
  const corpus = await corpusOf(`${EVENT}\n\n`, `\n${JSON.stringify(GOOD)}`);
  expect(corpus.events).toMatchObject([{ line: 1, event: { tenantid: 'acme', subject: 'm-1' } }]);
  expect(corpus.questions).toMatchObject([{ line: 2, question: 'What does Ada drink?' }]);
  expect(said).toEqual([]);
});

test('every bad line of both files is reported by its number before anything else happens', async () => {
  const wrong = EVENT.replace('"content"', '"kind":"thought","content"');
  const run = corpusOf(`${EVENT}\nnot JSON\n${wrong}\n`, `${JSON.stringify(GOOD)}\n{}\n`);
  await expect(run).rejects.toThrow(`3 lines are wrong in ${folder}`);
  expect(said[0]).toBe('memfleet: events.jsonl:2: the line is not JSON\n');
  expect(said[1]).toMatch(/^memfleet: events\.jsonl:3: .*kind/);
  expect(said[2]).toMatch(/^memfleet: questions\.jsonl:2: tenant: must be /);
  expect(said).toHaveLength(3);
});

test('a file of another format does not flood the terminal', async () => {
  const run = corpusOf('no\n'.repeat(1_000), `${JSON.stringify(GOOD)}\n`);
  await expect(run).rejects.toThrow('1001 lines are wrong');
  expect(said).toHaveLength(21);
});

test('an empty file and a missing one', async () => {
  await expect(corpusOf(EVENT, '\n')).rejects.toThrow('questions.jsonl is empty');
  await rm(join(folder, 'questions.jsonl'));
  const reading = readCorpus(folder, new AbortController().signal);
  await expect(reading).rejects.toThrow('questions.jsonl cannot be read');
});
