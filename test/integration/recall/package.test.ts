import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createEmbedder } from '@memfleet/recall';
import { parseSync } from 'oxc-parser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { importsOf, packageOf } from '../../ci/boundaries/imports.ts';
import { Consumer, REPOSITORY } from '../../support/consumer.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { READ_MODELS, remember } from './read-models.ts';

let consumer: Consumer;
let database: TestDatabase;
let installed = '';
/** The database, as a role sees it that may read it and nothing else. */
let readerUrl = '';
const reader = `reader_${randomUUID().replaceAll('-', '')}`;

beforeAll(async () => {
  consumer = new Consumer();
  consumer.install('events');
  installed = consumer.install('recall');
  consumer.bring('pg');
  consumer.copy(join(REPOSITORY, 'test/fixtures/recall/consumer'));
  database = await createTestDatabase();
  await database.pool.query(READ_MODELS);
  await database.pool.query(PROVISIONED);
  const session = { user: 'ada', session: 's', speaker: 'Ada', kind: 'message' } as const;
  await remember(database.pool, createEmbedder({ kind: 'local' }), [
    { memory: 'm-1', content: 'My holiday was in Lisbon, by train.', ...session },
    { memory: 'm-2', content: 'It rained for a week.', ...session },
    { memory: 'm-3', content: 'My holiday was in Porto.', ...session, user: 'bob' },
  ]);
  await database.pool.query(
    `create role ${reader} login password '${reader}';
    grant usage on schema memory, memfleet to ${reader};
    grant select on all tables in schema memory, memfleet to ${reader}`,
  );
  readerUrl = Object.assign(new URL(database.url), { username: reader, password: reader }).href;
  // The limit is for hangs; two builds beside other tests take their time.
}, 300_000);
afterAll(async () => {
  consumer[Symbol.dispose]();
  await database.pool.query(`drop owned by ${reader}; drop role ${reader}`);
  await database[Symbol.asyncDispose]();
});

/** As if a lane had applied the log up to position 9. */
const PROVISIONED = `
  insert into memfleet.projection_generations (projection, generation, version, lanes, state)
    values ('memories', 1, 1, 1, 'live');
  insert into memfleet.checkpoints (projection, generation, lane, position)
    values ('memories', 1, 0, 9)`;

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith(ending),
  );
}

function readmeSection(heading: string): string {
  const readme = readFileSync(join(installed, 'README.md'), 'utf8');
  return readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
}

function examples(): string[] {
  const readme = readFileSync(join(installed, 'README.md'), 'utf8');
  return [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);
}

function exportsOf(file: string): string[] {
  const path = join(installed, 'lib', file);
  const { staticExports } = parseSync(path, readFileSync(path, 'utf8')).module;
  return staticExports
    .flatMap(({ entries }) => entries.map(({ exportName }) => exportName.name ?? '*'))
    .toSorted();
}

function codeNames(text: string): string[] {
  return [...new Set([...text.matchAll(/`(\w+)`/g)].map(([, name = '']) => name))].toSorted();
}

describe('the tarball', () => {
  test('holds JavaScript and declarations, the licence and the README, and nothing else', () => {
    expect(readdirSync(installed).toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'lib',
      'package.json',
    ]);
    const files = filesIn(join(installed, 'lib'), '').filter((name) => name.includes('.'));
    expect(files.filter((name) => !/\.(js|d\.ts)$/.test(name))).toEqual([]);
  });

  test('asks for what its files import, pinned, and for no private workspace', () => {
    const { dependencies, private: isPrivate } = consumer.manifest('recall');
    expect(isPrivate).toBeUndefined();
    expect(Object.keys(dependencies)).toEqual([
      '@ai-sdk/openai-compatible',
      '@memfleet/events',
      '@orama/stemmers',
      '@types/pg',
      'tinyld',
      'zod',
    ]);
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    const lib = join(installed, 'lib');
    const imported = filesIn(lib, '').flatMap((name) =>
      /\.(js|d\.ts)$/.test(name)
        ? importsOf(name, readFileSync(join(lib, name), 'utf8')).map(({ specifier = '' }) =>
            packageOf(specifier),
          )
        : [],
    );
    // Types alone come from pg, so what is asked for is @types/pg.
    const packages = new Set(imported.filter((name) => name !== undefined));
    expect([...packages].map((name) => (name === 'pg' ? '@types/pg' : name)).toSorted()).toEqual(
      Object.keys(dependencies),
    );
  });

  test('brings of the private workspaces only what recall needs: no broker, log, work or table', () => {
    const lib = join(installed, 'lib');
    const parts = filesIn(join(lib, 'internal'), '.js').map((name) => name.replace(/\.js$/, ''));
    const isNeeded =
      /^(runtime\/(database|errors|async\/(jittered|race-abort))|models\/(classify|error-body|model-use|provider-error|retry-after)$|projections\/((text|vectors)\/)?[a-z-]+$)/;
    expect(parts.filter((name) => !isNeeded.test(name))).toEqual([]);
    const bytes = filesIn(lib, '.js').reduce(
      (sum, name) => sum + statSync(join(lib, name)).size,
      0,
    );
    expect(bytes).toBeLessThan(250_000);
  });

  test('exports what the README lists', () => {
    const section = readmeSection('What it exports');
    expect(exportsOf('index.d.ts')).toEqual(codeNames(section));
    expect(exportsOf('index.js')).toEqual(codeNames(section.split('types')[0] ?? ''));
  });
});

describe('a consumer', () => {
  test('compiles strictly, declarations of the package and of its dependencies included', () => {
    const { status, stdout } = consumer.compile('agent.ts', '--skipLibCheck', 'false');
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  test('is told of each wrong use, and of nothing else', () => {
    const { refused, marked } = consumer.wrongUses('wrong.ts');
    expect(refused).toEqual(marked);
    expect(marked.length).toBeGreaterThan(10);
  });

  test('recalls', () => {
    const output = consumer.run(process.execPath, ['agent.ts'], { DATABASE_URL: readerUrl });
    expect(JSON.parse(output)).toEqual({
      best: {
        memory: 'm-1',
        snippet: 'My holiday was in Lisbon, by train.',
        year: 2026,
        kind: 'message',
        text: 1,
        vector: 'content',
        after: ['It rained for a week.'],
      },
      away: ['m-1', 'EMBEDDER_AWAY'],
      own: ['m-1', 'EMBEDDER_AWAY'],
      inTransaction: [null, 'UNKNOWN_TENANT'],
      errors: ['RECALL_QUERY_EMPTY', 'PROJECTION_BEHIND', 'transient'],
      fused: ['a', 'b'],
      length: 512,
    });
  });
});

describe('the README', () => {
  test('its first example runs as it is written', () => {
    const [first = ''] = examples();
    consumer.write('example.ts', first);
    const output = consumer.run(process.execPath, ['example.ts'], { DATABASE_URL: readerUrl });
    expect(output).toMatch(
      /^2026-01-01\S+ My holiday was in Lisbon, by train\. It rained for a week\.$/m,
    );
    expect(output).not.toContain('Porto');
  });

  test('all of its examples compile', () => {
    const [first = '', ...others] = examples();
    expect(others.length).toBeGreaterThan(0);
    const given = 'pool: Queryable, publisher: Publisher, event: object';
    consumer.write(
      'examples.ts',
      [
        `import type { Publisher } from '@memfleet/events';`,
        `import type { Queryable } from '@memfleet/recall';`,
        first,
        ...others.map((code, n) => `export async function example${n}(${given}) {\n${code}\n}`),
      ].join('\n'),
    );
    const { stdout } = consumer.compile(
      'examples.ts',
      '--skipLibCheck',
      '--exactOptionalPropertyTypes',
    );
    expect(stdout).toBe('');
  });
});
