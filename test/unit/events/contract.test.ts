import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CATALOGUE, defineEventType, type EventType } from '@memfleet/events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readContract } from '../../../shared/events/src/contract-files.ts';
import { compareContracts, contractOf, isBreaking } from '../../../shared/events/src/contract.ts';

const repository = resolve(import.meta.dirname, '../../..');
const published = {
  schemas: join(repository, 'config/schemas'),
  fixtures: join(repository, 'test/fixtures/events/golden.json'),
};

test('the code keeps every promise that was published, and nothing it promises is unpublished', async () => {
  const promised = await readContract(published);
  expect(compareContracts(promised, contractOf(CATALOGUE))).toEqual([]);
  // The files are really there: an empty contract would break no promise.
  expect(Object.keys(promised.schemas).length).toBeGreaterThan(CATALOGUE.length);
  expect(promised.fixtures.length).toBeGreaterThan(CATALOGUE.length);
});

describe('changes of a type', () => {
  const v1 = z.looseObject({ a: z.string() });
  const v2 = z.looseObject({ a: z.string(), b: z.int() });
  const fixture = { name: 'v1', version: 1, data: { a: 'x' }, latest: { a: 'x' } };
  const type = (changes: Partial<EventType> = {}): EventType =>
    defineEventType<string, z.ZodType>({
      type: 'memory.tested',
      eventClass: 'usage',
      summary: 'Only here.',
      versions: { 1: v1 },
      latest: v1,
      upcasters: [],
      fixtures: [fixture],
      ...changes,
    });
  const second = (b: number): Partial<EventType> => ({
    versions: { 1: v1, 2: v2 },
    latest: v2,
    upcasters: [{ from: 1, to: 2, upcast: (data: z.output<typeof v1>) => ({ ...data, b }) }],
    fixtures: [
      { ...fixture, latest: { a: 'x', b } },
      { name: 'v2', version: 2, data: { a: 'x', b: 5 }, latest: { a: 'x', b: 5 } },
    ],
  });
  const changesOf = (before: EventType, now: readonly EventType[]) =>
    compareContracts(contractOf([before]), contractOf(now));

  test('none', () => {
    expect(changesOf(type(), [type()])).toEqual([]);
    expect(changesOf(type(second(0)), [type(second(0))])).toEqual([]);
  });

  test('a new version adds its schema and its fixture, and a reading of the old fixture', () => {
    const changes = changesOf(type(), [type(second(0))]);
    expect(changes.filter(isBreaking)).toEqual([]);
    expect(changes.map(({ what }) => what)).toEqual([
      'schema memory.tested.v2.json',
      'fixture memory.tested: v1',
      'fixture memory.tested: v2',
    ]);
  });

  test.for<[string, EventType[], string]>([
    [
      'a field added to a published version',
      [
        type({
          versions: { 1: v2 },
          latest: v2,
          fixtures: [{ ...fixture, data: { a: 'x', b: 1 } }],
        }),
      ],
      'schema memory.tested.v1.json',
    ],
    [
      'an optional field added to it',
      [type({ versions: { 1: v1.extend({ c: z.string().optional() }) } })],
      'schema memory.tested.v1.json',
    ],
    [
      'a bound that is narrower',
      [type({ versions: { 1: z.looseObject({ a: z.string().max(5) }) } })],
      'schema memory.tested.v1.json',
    ],
    [
      'a fixture with other data',
      [type({ fixtures: [{ ...fixture, data: { a: 'y' } }] })],
      'fixture memory.tested: v1',
    ],
    ['a fixture removed', [type({ fixtures: [] })], 'fixture memory.tested: v1'],
    [
      'a fixture renamed',
      [type({ fixtures: [{ ...fixture, name: 'v1: first' }] })],
      'fixture memory.tested: v1',
    ],
    ['the type removed', [], 'schema memory.tested.v1.json'],
  ])('breaking: %s', ([, now, what]) => {
    const breaking = changesOf(type(), now).filter(isBreaking);
    expect(breaking.map((change) => change.what)).toContain(what);
  });

  test('breaking: an upcaster that reads old data as something else', () => {
    const breaking = changesOf(type(second(0)), [type(second(1))]).filter(isBreaking);
    expect(breaking).toEqual([{ kind: 'changed', what: 'fixture memory.tested: v1' }]);
  });

  test('breaking: a version removed', () => {
    const breaking = changesOf(type(second(0)), [type()]).filter(isBreaking);
    expect(breaking.map(({ what }) => what)).toContain('schema memory.tested.v2.json');
  });

  test('a fixture that its own version refuses is no fixture', () => {
    expect(() => contractOf([type({ fixtures: [{ ...fixture, data: { a: 1 } }] })])).toThrow(
      /version 1 of memory.tested refuses/,
    );
  });

  test('the envelope may gain optional attributes, and nothing else', () => {
    const before = contractOf([]);
    const envelope = before.schemas['envelope.json'] as { properties: object; required: string[] };
    const withEnvelope = (now: object) =>
      compareContracts(before, {
        ...before,
        schemas: { 'envelope.json': { ...envelope, ...now } },
      });
    const more = { ...envelope.properties, dataref: { type: 'string' } };
    expect(withEnvelope({ properties: more })).toEqual([
      { kind: 'extended', what: 'schema envelope.json' },
    ]);
    expect(
      withEnvelope({ properties: more, required: [...envelope.required, 'dataref'] })[0]?.kind,
    ).toBe('changed');
    expect(withEnvelope({ properties: { ...more, id: {} } })[0]?.kind).toBe('changed');
    expect(withEnvelope({ properties: {} })[0]?.kind).toBe('changed');
  });
});

describe('node shared/events/schemas.ts', () => {
  let root = '';
  const created = (): string => join(root, 'config/schemas/memory.created.v1.json');
  const golden = (): string => join(root, 'test/fixtures/events/golden.json');

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'memfleet-schemas-'));
    cpSync(published.schemas, join(root, 'config/schemas'), { recursive: true });
    cpSync(published.fixtures, golden());
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const run = (...args: string[]) => {
    const script = join(repository, 'shared/events/schemas.ts');
    return spawnSync(process.execPath, [script, '--root', root, ...args], { encoding: 'utf8' });
  };
  const edit = (path: string, from: string | RegExp, to: string): void => {
    const before = readFileSync(path, 'utf8');
    const after = before.replace(from, to);
    expect(after).not.toBe(before);
    writeFileSync(path, after);
  };

  test('--check accepts the published contract', () => {
    expect(run('--check')).toMatchObject({ status: 0, stderr: '' });
  });

  test('writes what is missing, and leaves the rest byte for byte', () => {
    const others = join(root, 'config/schemas/memory.created.v2.json');
    const before = readFileSync(others);
    rmSync(created());
    const check = run('--check');
    expect(check.status).toBe(1);
    expect(check.stderr).toMatch(/memory\.created\.v1\.json is not in the files yet/);
    expect(readdirSync(join(root, 'config/schemas'))).not.toContain('memory.created.v1.json');
    expect(run()).toMatchObject({ status: 0, stdout: 'added schema memory.created.v1.json\n' });
    expect(JSON.parse(readFileSync(created(), 'utf8'))).toEqual(
      JSON.parse(readFileSync(join(published.schemas, 'memory.created.v1.json'), 'utf8')),
    );
    expect(readFileSync(others)).toEqual(before);
    expect(run('--check').status).toBe(0);
  });

  test('writes everything where there is nothing', () => {
    rmSync(join(root, 'config'), { recursive: true });
    rmSync(join(root, 'test'), { recursive: true });
    expect(run().status).toBe(0);
    expect(run('--check').status).toBe(0);
  });

  test('refuses to change a published schema, and writes nothing', () => {
    edit(created(), '60000', '70000');
    rmSync(join(root, 'config/schemas/memory.created.v2.json'));
    const before = readFileSync(created());
    const { status, stderr } = run();
    expect(status).toBe(1);
    expect(stderr).toMatch(/memory\.created\.v1\.json was published and is not edited/);
    expect(readFileSync(created())).toEqual(before);
    expect(readdirSync(join(root, 'config/schemas'))).not.toContain('memory.created.v2.json');
  });

  test('refuses to remove a published version or fixture', () => {
    writeFileSync(join(root, 'config/schemas/memory.created.v9.json'), '{}');
    edit(golden(), '"name": "v1: only content"', '"name": "v1: an older one"');
    const { status, stderr } = run();
    expect(status).toBe(1);
    expect(stderr).toMatch(/memory\.created\.v9\.json was published and stays/);
    expect(stderr).toMatch(/memory\.created: v1: an older one was published and stays/);
  });
});
