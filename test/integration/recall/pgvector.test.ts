import { readFileSync } from 'node:fs';
import { PGlite, type Results } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import { createEmbedder, recall } from '@memfleet/recall';
import type { Queryable } from '@memfleet/runtime';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  contentDigest,
  findStored,
  storeVectors,
} from '../../../workers/embedding/src/stored-vectors.ts';
import { READ_MODELS, remember } from './read-models.ts';

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
