import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadConfig } from '@memfleet/fleet';
import {
  type ConfigSources,
  DEFAULT_CONFIG,
  moduleReferences,
  RuntimeError,
} from '@memfleet/runtime';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { REPOSITORY } from '../../support/consumer.ts';
import { blocksOf } from '../../support/page-blocks.ts';
import { SETTINGS } from '../../support/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'memfleet-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(sources: Partial<ConfigSources> = {}): ReturnType<typeof loadConfig> {
  return loadConfig({ defaults: DEFAULT_CONFIG, env: {}, ...sources });
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

function problemsOf(sources: Partial<ConfigSources>): string {
  try {
    load(sources);
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'CONFIG_INVALID') return error.message;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

test('the defaults are complete and valid', () => {
  const config = load();
  expect(config.log.stream).toBe('MEMORY');
  expect(config.stages.extraction.ackWait).toBe(30_000);
  expect(config.log.maxDataBytes).toBe(65_536);
});

test('a file overrides the defaults, the environment the file, flags the environment', () => {
  const path = file(
    'own.yaml',
    'stages: { extraction: { batch: 11, concurrency: 111, linger: 1ms } }',
  );
  const { extraction } = load({
    file: path,
    env: {
      MEMFLEET_STAGES_EXTRACTION_CONCURRENCY: '222',
      MEMFLEET_STAGES_EXTRACTION_LINGER: '2ms',
    },
    flags: { 'stages.extraction.linger': '3ms' },
  }).stages;
  expect([extraction.batch, extraction.concurrency, extraction.linger]).toEqual([11, 222, 3]);
});

test('every setting of the default file has a variable, and the variable sets it', () => {
  const defaults = parse(readFileSync(DEFAULT_CONFIG, 'utf8')) as Record<string, unknown>;
  // The configuration itself names the inputs of a stage.
  const paths = leavesOf(defaults).filter((path) => !path.includes('.inputs.'));
  expect(paths.length).toBeGreaterThan(40);
  const known = new Map(SETTINGS.map(({ path, variable }) => [path.join('.'), variable]));
  for (const path of paths) {
    const variable = known.get(path);
    if (variable === undefined) throw new Error(`${path} has no variable`);
    // A value of the wrong kind is refused by its path: the variable reaches the setting.
    expect(problemsOf({ env: { [variable]: '{ not: this }' } })).toContain(path);
  }
});

test('every setting is named in the default file, with the default of a model where it has one', () => {
  const text = readFileSync(DEFAULT_CONFIG, 'utf8');
  const unnamed = SETTINGS.filter(
    ({ path, variable }) => !new RegExp(`\\b(?:${path.at(-1)}|${variable})\\b`).test(text),
  );
  expect(unnamed.map(({ path }) => path.join('.'))).toEqual([]);
  const model = 'kind: openai-compatible, baseUrl: "https://m.example/v1", model: m';
  const { extraction, embedding } = load({
    file: file(
      'models.yaml',
      `stages: { extraction: { provider: { ${model} } }, embedding: { provider: { ${model}, dimensions: 3 } } }`,
    ),
  }).stages;
  const given = new Set(['kind', 'baseUrl', 'model', 'dimensions']);
  const defaults = [extraction, embedding]
    .flatMap(({ provider }) => Object.entries(provider))
    .filter(([key]) => !given.has(key));
  for (const [key, value] of defaults) {
    expect(text).toMatch(new RegExp(`#   ${key}: ${String(value)}\\s`));
  }
});

test('the settings that README.md shows are valid', () => {
  const blocks = blocksOf(readFileSync(join(REPOSITORY, 'README.md'), 'utf8'));
  const shown = blocks.filter(({ language }) => language === 'yaml');
  expect(shown.length).toBeGreaterThan(0);
  for (const { text } of shown) load({ file: file('shown.yaml', text) });
});

test('the last source that names modules decides, and their paths start at it', () => {
  const own = file('own/fleet.yaml', 'modules: [./ours.mjs, ours]');
  const plain = file('plain/fleet.yaml', 'log: { stream: OURS }');
  const none = file('none/fleet.yaml', 'modules: []');
  const sources = { defaults: file('defaults/fleet.yaml', 'modules: [./theirs.mjs]'), env: {} };
  const theirs = { specifier: './theirs.mjs', folder: join(folder, 'defaults') };
  expect(moduleReferences(sources, '/cwd')).toEqual([theirs]);
  expect(moduleReferences({ ...sources, file: plain }, '/cwd')).toEqual([theirs]);
  expect(moduleReferences({ ...sources, file: none }, '/cwd')).toEqual([]);
  expect(moduleReferences({ ...sources, file: own }, '/cwd')).toEqual([
    { specifier: './ours.mjs', folder: join(folder, 'own') },
    { specifier: 'ours', folder: join(folder, 'own') },
  ]);
  const env = { MEMFLEET_MODULES: '[./named.mjs]' };
  expect(moduleReferences({ ...sources, file: own, env }, '/cwd')).toEqual([
    { specifier: './named.mjs', folder: '/cwd' },
  ]);
});

test('all mistakes are listed at once, with their paths and the near names', () => {
  const path = file(
    'mistakes.yaml',
    'stages: { extraction: { ackWiat: 3s, concurrency: many } }\nlog: { duplicateWindow: 5 }\n',
  );
  const message = problemsOf({
    file: path,
    env: { MEMFLEET_LOG_REPLICSA: '3' },
    flags: { 'projections.lane': '2' },
  });
  expect(message).toMatch(/has 5 problems/);
  expect(message).toContain('unknown setting stages.extraction.ackWiat, did you mean ackWait?');
  expect(message).toContain('stages.extraction.concurrency: ');
  expect(message).toContain('log.duplicateWindow: must be a duration like 500ms, 30s, 2m or 1h');
  expect(message).toContain(
    'unknown environment variable MEMFLEET_LOG_REPLICSA, did you mean MEMFLEET_LOG_REPLICAS?',
  );
  expect(message).toContain('unknown setting projections.lane, did you mean projections.lanes?');
});

test('contradictions between settings are found', () => {
  const message = problemsOf({
    flags: {
      'stages.extraction.deadline': '1s',
      'stages.embedding.maxAckPending': '1',
      'stages.extraction.inputs': '{ a: { durable: embedding-facts, filter: content.* } }',
    },
  });
  expect(message).toContain('stages.extraction.deadline: must be at least');
  expect(message).toContain('stages.embedding.maxAckPending: must be at least');
  expect(message).toContain('the durable embedding-facts is named twice');
});

test('a pool too small for a verification is refused, with the reason', () => {
  const path = 'database.poolSize';
  expect(problemsOf({ flags: { [path]: '2' } })).toContain(
    `${path}: must be at least 3: \`projection verify\` uses three connections at once`,
  );
  expect(load({ flags: { [path]: '3' } }).database.poolSize).toBe(3);
});

test('the broker may not be told to give events up: nothing would notice', () => {
  for (const stage of ['extraction', 'embedding']) {
    const path = `stages.${stage}.maxDeliver`;
    expect(problemsOf({ flags: { [path]: '5' } })).toContain(`${path}: must be -1: `);
    expect(problemsOf({ flags: { [path]: '0' } })).toContain(`${path}: must be -1: `);
  }
  expect(load({ flags: { 'stages.embedding.maxDeliver': '-1' } }).stages.embedding.maxDeliver).toBe(
    -1,
  );
});

test('a secret comes from the file that its variable names, and another provider starts clean', () => {
  const { provider } = load({
    file: file(
      'model.yaml',
      'stages: { extraction: { provider: { kind: openai-compatible, baseUrl: "https://m.example/v1", model: "7" } } }',
    ),
    env: { MEMFLEET_STAGES_EXTRACTION_PROVIDER_API_KEY_FILE: file('key', '0123\n') },
  }).stages.extraction;
  expect(provider).toMatchObject({ kind: 'openai-compatible', model: '7', apiKey: '0123' });
  expect(
    problemsOf({ env: { MEMFLEET_STAGES_EXTRACTION_PROVIDER_API_KEY_FILE: '/nowhere/key' } }),
  ).toMatch(/names a file that cannot be read/);
});

test('files that are missing, no YAML or no map are problems, not crashes', () => {
  expect(problemsOf({ file: '/nowhere.yaml' })).toContain('/nowhere.yaml cannot be read');
  expect(problemsOf({ file: file('broken.yaml', 'log: {') })).toContain('broken.yaml: ');
  expect(problemsOf({ file: file('list.yaml', '- 1') })).toContain('must hold a map of settings');
});

function leavesOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([key, child]) =>
    leavesOf(child, path === '' ? key : `${path}.${key}`),
  );
}
