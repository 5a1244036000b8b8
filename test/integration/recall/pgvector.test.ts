import { readFileSync } from 'node:fs';
import { PGlite, type Results } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import {
  makeVectorIndex,
  vectorIndexName,
  type VectorSpace,
  vectorSpaces,
} from '@memfleet/projections';
import { createEmbedder, recall, type RecallQuery, type RecallScope } from '@memfleet/recall';
import type { Pool, Queryable } from '@memfleet/runtime';
import type { QueryConfig } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  contentDigest,
  findStored,
  storeVectors,
} from '../../../workers/embedding/src/stored-vectors.ts';
import { READ_MODELS, type ReadModels, remember, type Remembered } from './read-models.ts';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

const MIGRATION = readFileSync(
  new URL('../../../shared/runtime/src/database/migrations/0002_vectors.sql', import.meta.url),
  'utf8',
);
/** Arrays that come in binary form already, which is how pg sends a Buffer: of real, text, bigint, float8. */
const BINARY_ARRAYS = [1021, 1009, 1016, 1022];

/** PGlite behind the interface of pg, as far as recall uses it: statements in objects, rows back. */
function asQueryable(db: PGlite): Queryable {
  const query = async (statement: { text: string; values?: unknown[] }): Promise<Results> =>
    await db.query(statement.text, statement.values ?? [], {
      serializers: Object.fromEntries(
        BINARY_ARRAYS.flatMap((oid) => {
          const standard = db.serializers[oid];
          const binary = (value: unknown): string =>
            Buffer.isBuffer(value) || standard === undefined ? (value as string) : standard(value);
          return [[oid, binary]];
        }),
      ),
    });
  return { query } as unknown as Queryable;
}

async function columnOf(db: PGlite): Promise<string | undefined> {
  const { rows } = await db.query<{ type: string }>(
    `select format_type(atttypid, null) as type from pg_attribute
      where attrelid = 'memfleet.vectors'::regclass and attname = 'embedding'`,
  );
  return rows[0]?.type;
}

let lite: PGlite;
let db: Queryable;

// One server for all: starting it takes seconds.
beforeAll(async () => {
  lite = await PGlite.create({ extensions: { vector } });
  db = asQueryable(lite);
});
afterAll(async () => {
  await lite.close();
});
afterEach(async () => {
  await lite.exec(`reset role; deallocate all;
    drop schema if exists memory, memories_1, knowledge_1, memfleet, extensions cascade; drop extension if exists vector`);
});

test('the column is a vector, and what is stored comes back unchanged', async () => {
  await lite.exec(`create schema memfleet; ${MIGRATION}`);
  expect(await columnOf(lite)).toBe('vector');
  const text = 'Stored and read back.';
  const [stored] = lexicalEmbedder.embed([text]);
  if (stored === undefined) throw new Error('no vector');
  const digest = contentDigest(text);
  await storeVectors(db, 'test-512', [{ digest, vector: stored }]);
  // Again: content-addressed, so nothing changes.
  await storeVectors(db, 'test-512', [{ digest, vector: stored }]);
  expect(await findStored(db, 'test-512', [digest, contentDigest('other')])).toEqual(
    new Set([digest]),
  );
  const { rows } = await lite.query<{ embedding: string }>(
    'select embedding::text from memfleet.vectors',
  );
  expect(rows).toHaveLength(1);
  expect(Float32Array.from(JSON.parse(rows[0]?.embedding ?? '[]') as number[])).toEqual(stored);
});

test('recall finds content and facts by vector, and only of its tenant', async () => {
  await lite.exec(`create schema memfleet; ${MIGRATION}; ${READ_MODELS}`);
  await remember(db, lexicalEmbedder, [
    { memory: 'tea', content: 'Ada prefers tea to coffee.' },
    { memory: 'long', content: 'We talked for hours.', facts: ['Ada has a peanut allergy.'] },
    { memory: 'gone', content: 'Ada prefers tea with milk.', forgotten: true },
    { tenant: 'other', memory: 'tea', content: 'Bob prefers tea to coffee.' },
  ]);
  const ask = async (query: string) =>
    (await recall(db, { tenant: 'acme', query, embedder: lexicalEmbedder, limit: 5 })).hits;
  const [tea, ...others] = await ask('which drink does Ada prefer, tea or something else?');
  expect(tea).toMatchObject({ memory: 'tea', content: 'Ada prefers tea to coffee.' });
  expect(tea?.vector?.similarity).toBeGreaterThan(0.3);
  expect(tea?.vector?.similarity).toBeLessThan(1);
  expect(others.map(({ memory }) => memory)).not.toContain('gone');
  const [allergy] = await ask('peanut allergies');
  expect(allergy).toMatchObject({
    vector: { matched: 'fact', fact: 'Ada has a peanut allergy.' },
  });
  const [same] = await ask('Ada prefers tea to coffee.');
  expect(same?.vector?.similarity).toBeCloseTo(1, 5);
});

test('the extension may live in a schema that is on no search path', async () => {
  await lite.exec(`create schema memfleet; create schema extensions;
    create extension vector with schema extensions; ${MIGRATION}; ${READ_MODELS}`);
  await remember(db, lexicalEmbedder, [{ memory: 'tea', content: 'Ada prefers tea.' }]);
  const { hits: found } = await recall(db, {
    tenant: 'acme',
    query: 'is it tea that she likes?',
    embedder: lexicalEmbedder,
    limit: 5,
  });
  expect(found).toMatchObject([{ memory: 'tea' }]);
  expect(found[0]?.vector?.similarity).toBeGreaterThan(0.2);
});

test('a role that may not create extensions gets arrays', async () => {
  await lite.exec(
    `create role plain; create schema memfleet authorization plain; set role plain; ${MIGRATION}`,
  );
  expect(await columnOf(lite)).toBe('real[]');
});

/** A pool of one connection, which takes commands as pg's does. */
function asPool(queryable: Queryable): Pool {
  const query = async (statement: string | QueryConfig, values?: unknown[]): Promise<unknown> =>
    await queryable.query(
      typeof statement === 'string' ? { text: statement, values: values ?? [] } : statement,
    );
  const client = {
    query,
    escapeLiteral: (text: string) => `'${text.replaceAll("'", "''")}'`,
    release: () => undefined,
  };
  return { query, connect: async () => await Promise.resolve(client) } as unknown as Pool;
}

const COLOURS = ['red', 'green', 'blue', 'white', 'black', 'yellow', 'brown'];
const THINGS = ['kayak', 'house', 'bicycle', 'lamp', 'table', 'jacket', 'boat', 'door', 'cup'];

describe('an index of vectors', () => {
  const many = Array.from({ length: 400 }, (_, index): Remembered => {
    const thing = THINGS[index % THINGS.length] ?? '';
    return {
      tenant: 'large',
      memory: `m-${index}`,
      content: `The ${COLOURS[index % COLOURS.length] ?? ''} ${thing} number ${index} is in the shed.`,
      user: index % 100 === 7 ? 'rare' : 'common',
      agent: `agent-${index % 40}`,
      ...(index === 50 ? { forgotten: true } : {}),
      ...(index < 4 ? { kind: 'fact' as const } : {}),
    };
  });
  const other = many.map((memory): Remembered => ({ ...memory, tenant: 'other' }));
  /** So few are compared that the index decides. */
  const bounds = { comparedVectors: 5 };
  const ask = async (query: string, more: Partial<RecallQuery> = {}) =>
    await recall(db, {
      tenant: 'large',
      query,
      embedder: lexicalEmbedder,
      halves: 'vectors',
      neighbours: 'off',
      bounds,
      ...more,
    });
  const found = async (query: string, more: Partial<RecallQuery> = {}) =>
    (await ask(query, more)).hits.map(({ vector: match }) => match?.similarity?.toFixed(5));
  /** What no index has a part in: the ten nearest of what may be seen. */
  const exactly = (query: string, isSeen: (memory: Remembered) => boolean) => {
    const [asked, ...vectors] = lexicalEmbedder.embed([
      query,
      ...many.map(({ content }) => content ?? ''),
    ]);
    return many
      .map((memory, index) => ({
        memory,
        similarity: vectors[index]?.reduce((sum, x, at) => sum + x * (asked?.[at] ?? 0), 0) ?? 0,
      }))
      .filter(({ memory }) => memory.forgotten !== true && isSeen(memory))
      .toSorted((a, b) => b.similarity - a.similarity)
      .slice(0, 10)
      .map(({ similarity }) => similarity.toFixed(5));
  };

  const theSpace = async (): Promise<VectorSpace> => {
    const [space] = await vectorSpaces(asPool(db));
    if (space === undefined) throw new Error('no vector is stored');
    return space;
  };

  let models: ReadModels;
  beforeEach(async () => {
    await lite.exec(`create schema memfleet; ${MIGRATION}; ${READ_MODELS}`);
    // A look at an index that is not there yet would be remembered.
    db = asQueryable(lite);
    models = await remember(db, lexicalEmbedder, [...many, ...other]);
    await makeVectorIndex(asPool(db), await theSpace(), { memoryBytes: 2 ** 26 });
    await lite.exec('analyze');
  });

  test('is made once', async () => {
    const space = await theSpace();
    expect(space).toMatchObject({ vectors: 400, dimensions: 512, index: { state: 'ready' } });
    expect(await makeVectorIndex(asPool(db), space, { memoryBytes: 2 ** 26 })).toBe(false);
    await lite.exec(`drop index memfleet.${space.index.name}`);
    const without = await theSpace();
    expect(without.index).toMatchObject({ state: 'none', bytes: 0 });
    expect(await makeVectorIndex(asPool(db), without, { memoryBytes: 2 ** 26 })).toBe(true);
  });

  test('finds what comparing all finds, of one tenant, and nothing that is forgotten', async () => {
    for (const query of ['a yellow kayak', 'number 50', 'which lamp is in the shed', 'boat 123']) {
      expect(await found(query)).toEqual(exactly(query, () => true));
      expect((await ask(query)).notes).toEqual([]);
    }
    const { hits } = await ask('number 50');
    expect(hits.map(({ memory }) => memory)).not.toContain('m-50');
  });

  test('goes on until enough are in the scope', async () => {
    const query = 'the kayak in the shed';
    const scopes: [RecallScope, (memory: Remembered) => boolean][] = [
      [{ agent: 'agent-3' }, ({ agent }) => agent === 'agent-3'],
      [
        { agent: 'agent-3', user: 'rare' },
        ({ agent, user }) => agent === 'agent-3' && user === 'rare',
      ],
      [
        { agent: 'agent-7', user: 'rare' },
        ({ agent, user }) => agent === 'agent-7' && user === 'rare',
      ],
      [{ user: 'common' }, ({ user }) => user === 'common'],
    ];
    for (const [scope, isSeen] of scopes) {
      expect(await found(query, { scope })).toEqual(exactly(query, isSeen));
    }
  });

  test('compares what few memories pass a filter that no index leads to', async () => {
    const query = 'the kayak in the shed';
    const scope: RecallScope = { kinds: ['fact'] };
    const isFact = ({ kind }: Remembered): boolean => kind === 'fact';
    expect((await ask(query, { scope })).notes).toEqual([]);
    expect(await found(query, { scope })).toEqual(exactly(query, isFact));
    await lite.exec(`drop index memfleet.${vectorIndexName(lexicalEmbedder.space)}`);
    db = asQueryable(lite);
    expect((await ask(query, { scope })).notes).toEqual([]);
    expect(await found(query, { scope })).toEqual(exactly(query, isFact));
  });

  test('no vector of an old content is matched, with the index, without it and in a small scope', async () => {
    const query = many[8]?.content ?? '';
    const isRevised = ({ memory }: Remembered): boolean => memory === 'm-8';
    expect((await ask(query)).hits[0]?.memory).toBe('m-8');
    // Its new content has no vector yet.
    await models.happen('large', 'm-8', 'memory.revised', { content: 'Something else.' });
    const expected = exactly(query, (memory) => !isRevised(memory));
    expect(await found(query)).toEqual(expected);
    const small = { scope: { agent: 'agent-8' }, bounds: {} };
    expect((await ask(query, small)).hits.map(({ memory }) => memory)).not.toContain('m-8');
    await lite.exec(`drop index memfleet.${vectorIndexName(lexicalEmbedder.space)}`);
    db = asQueryable(lite);
    expect(await found(query, { bounds: {} })).toEqual(expected);
  });

  test('says so when its bound was reached, with the best of what it saw', async () => {
    const narrow = { scope: { agent: 'agent-3' }, bounds: { ...bounds, indexedVectors: 50 } };
    const { hits, notes } = await ask('the kayak in the shed', narrow);
    expect(notes).toMatchObject([{ code: 'VECTOR_BOUND_REACHED' }]);
    expect(hits.every(({ agent }) => agent === 'agent-3')).toBe(true);
  });

  test.each<[RecallScope, string[]]>([
    [{}, ['m-395', 'm-396', 'm-397', 'm-398', 'm-399']],
    [{ agent: 'agent-3' }, ['m-203', 'm-243', 'm-283', 'm-323', 'm-363']],
    [{ user: 'common' }, ['m-395', 'm-396', 'm-397', 'm-398', 'm-399']],
    [{ user: 'common', agent: 'agent-7' }, ['m-167', 'm-247', 'm-287', 'm-327', 'm-367']],
  ])(
    'without it, only the newest of the scope %j are compared, and the answer says so',
    async (scope, newest) => {
      await lite.exec(`drop index memfleet.${vectorIndexName(lexicalEmbedder.space)}`);
      db = asQueryable(lite);
      const { hits, notes } = await ask('the kayak in the shed', { scope });
      expect(notes).toMatchObject([{ code: 'VECTOR_BOUND_REACHED' }]);
      expect(newest).toEqual(expect.arrayContaining(hits.map(({ memory }) => memory)));
      expect(hits).not.toEqual([]);
    },
  );

  test('without it, the answer says so even if none of the newest is in the scope', async () => {
    await lite.exec(`drop index memfleet.${vectorIndexName(lexicalEmbedder.space)}`);
    db = asQueryable(lite);
    // The first sixty of more than eight hundred events.
    const scope = { until: new Date('2026-01-01T00:01:00Z') };
    const { hits, notes } = await ask('the kayak in the shed', { scope });
    expect(hits).toEqual([]);
    expect(notes).toMatchObject([{ code: 'VECTOR_BOUND_REACHED' }]);
  });

  test('without it, memories that have no vector yet take no place of those that have', async () => {
    await lite.exec(`drop index memfleet.${vectorIndexName(lexicalEmbedder.space)};
      delete from memories_1.embeddings where tenant = 'large' and sequence > 200`);
    db = asQueryable(lite);
    const { hits, notes } = await ask('the kayak in the shed', { scope: { user: 'common' } });
    expect(hits).not.toEqual([]);
    expect(notes).toMatchObject([{ code: 'VECTOR_BOUND_REACHED' }]);
  });

  test('without it, a scope of few is compared as a whole', async () => {
    await lite.exec(`drop index memfleet.${vectorIndexName(lexicalEmbedder.space)}`);
    db = asQueryable(lite);
    const query = 'the kayak in the shed';
    const { notes } = await ask(query, { scope: { user: 'rare' } });
    expect(notes).toEqual([]);
    expect(await found(query, { scope: { user: 'rare' } })).toEqual(
      exactly(query, ({ user }) => user === 'rare'),
    );
  });
});

test('without pgvector there is no index, and the reason is said', async () => {
  await lite.exec(`create schema memfleet authorization plain; set role plain; ${MIGRATION}`);
  const space = { space: 's', dimensions: 3, vectors: 1, index: NO_INDEX };
  await expect(makeVectorIndex(asPool(db), space, { memoryBytes: 2 ** 26 })).rejects.toThrow(
    'this database keeps its vectors without pgvector',
  );
  await expect(
    makeVectorIndex(asPool(db), { ...space, dimensions: 5_000 }, { memoryBytes: 2 ** 26 }),
  ).rejects.toThrow('vectors of 5000 dimensions cannot be indexed');
});

const NO_INDEX = { name: 'none', state: 'none', bytes: 0, buildBytes: 0 } as const;
