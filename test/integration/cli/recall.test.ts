import { afterAll, beforeAll, expect, test } from 'vitest';
import { ReadModels } from '../recall/read-models.ts';
import { type CliFleet, createCliFleet } from './run-cli.ts';

let fleet: CliFleet;

beforeAll(async () => {
  fleet = await createCliFleet();
  await new ReadModels(fleet.database.pool, undefined).remember([
    {
      memory: 'm-1',
      content: 'Ada prefers tea to\u001B[31m coffee.\nAlways.',
      user: 'ada',
      facts: ['Ada prefers tea.'],
    },
    { memory: 'm-2', content: 'The office closes at six.' },
    { memory: 'm-3', content: `${'Nothing of note. '.repeat(30)}There was a kayak.` },
    { memory: 't-1', content: 'Have you seen it?', kind: 'message', session: 's', speaker: 'Bob' },
    { memory: 't-2', content: 'The walrus? Yes.', kind: 'message', session: 's', speaker: 'Ada' },
    { tenant: 'other', memory: 'm-3', content: 'Tea is served at noon.' },
  ]);
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

test('recall finds memories by words in the read models, within one tenant', async () => {
  const [json, text, none] = await Promise.all([
    fleet.run(['recall', 'acme', 'tea', '--json']),
    fleet.run(['recall', 'acme', 'tea']),
    fleet.run(['recall', 'acme', 'submarine']),
  ]);
  expect(json.code).toBe(0);
  expect(JSON.parse(json.stdout)).toMatchObject({
    tenant: 'acme',
    query: 'tea',
    notes: [],
    results: [{ memory: 'm-1', text: { rank: 1 }, facts: ['Ada prefers tea.'], user: 'ada' }],
  });
  expect(text.stdout).toContain(' 1. Ada prefers tea to [31m coffee. Always.\n    m-1 · note · ');
  expect(none).toMatchObject({ code: 0, stdout: 'no matching memories\n' });
});

test('snippets by default, whole contents with their turns and facts by --full', async () => {
  const [short, full, turns, facts] = await Promise.all([
    fleet.run(['recall', 'acme', 'kayak']),
    fleet.run(['recall', 'acme', 'kayak', '--full']),
    fleet.run(['recall', 'acme', 'walrus', '--full']),
    fleet.run(['recall', 'acme', 'tea', '--full']),
  ]);
  expect(short.stdout).toContain(' 1. … There was a kayak.\n');
  expect(full.stdout).toContain('Nothing of note. Nothing of note.');
  expect(turns.stdout).toMatch(/^ {4}\| Bob: Have you seen it\?\n 1\. Ada: The walrus\? Yes\.\n/);
  expect(facts.stdout).toContain('\n    fact: Ada prefers tea.\n');
});

test('filters narrow it', async () => {
  const found = async (...filters: string[]): Promise<string[]> => {
    const { stdout } = await fleet.run(['recall', 'acme', 'tea walrus', '--json', ...filters]);
    const { results } = JSON.parse(stdout) as { results: { memory: string }[] };
    return results.map(({ memory }) => memory).toSorted();
  };
  const all = ['--until', '2027-01-01', '--since', '2026-01-01', '--importance', '0.5'];
  const [mine, session, kinds, nobody] = await Promise.all([
    found('--user', 'ada', ...all),
    found('--session', 's'),
    found('--kind', 'note', '--kind', 'fact'),
    found('--agent', 'nobody'),
  ]);
  expect({ mine, session, kinds, nobody }).toEqual({
    mine: ['m-1'],
    session: ['t-1', 't-2'],
    kinds: ['m-1'],
    nobody: [],
  });
});

test.each([
  ['an unknown tenant', ['nobody', 'tea'], 1, /no memory of tenant nobody is known/],
  ['an empty query', ['acme', ' '], 2, /no word to look for/],
  ['an exclusion alone', ['acme', '--', '-tea'], 2, /no word to look for/],
  ['a kind that is none', ['acme', 'tea', '--kind', 'notes'], 2, /must be one of note, /],
  ['a time that is none', ['acme', 'tea', '--since', 'yesterday'], 2, /must be a day or a time/],
  ['more than all', ['acme', 'tea', '--importance', '2'], 2, /number from 0 to 1/],
])('%s is one clear error', async (_, args, code, message) => {
  const finished = await fleet.run(['recall', ...args]);
  expect(finished).toMatchObject({ code, stdout: '' });
  expect(finished.stderr).toMatch(message);
  expect(finished.stderr.trim().split('\n')).toHaveLength(1);
});
