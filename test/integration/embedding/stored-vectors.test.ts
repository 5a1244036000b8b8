import { createEmbedder } from '@memfleet/recall';
import { transaction } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import {
  contentDigest,
  findStored,
  storeVectors,
} from '../../../workers/embedding/src/stored-vectors.ts';
import { createTestDatabase } from '../../support/database.ts';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

const SPACE = lexicalEmbedder.space;

function addressed(texts: readonly string[]) {
  const vectors = lexicalEmbedder.embed(texts);
  return texts.flatMap((text, index) => {
    const vector = vectors[index];
    return vector === undefined ? [] : [{ digest: contentDigest(text), vector }];
  });
}

test('without pgvector the column is an array, and stored vectors come back unchanged', async () => {
  await using database = await createTestDatabase();
  const vectors = addressed(['one', 'two', '']);
  await storeVectors(database.pool, SPACE, vectors);
  const { rows } = await database.pool.query<{
    type: string;
    dimensions: number;
    digest: string;
    embedding: number[];
  }>(`select pg_typeof(embedding)::text as type, dimensions, embedding,
      encode(content_sha256, 'hex') as digest from memfleet.vectors`);
  expect(rows).toHaveLength(3);
  for (const { digest, vector } of vectors) {
    const row = rows.find((found) => found.digest === digest);
    expect(row).toMatchObject({ type: 'real[]', dimensions: 512 });
    expect(Float32Array.from(row?.embedding ?? [])).toEqual(vector);
  }
});

test('a stored vector stays unchanged and is found, but not in other spaces', async () => {
  await using database = await createTestDatabase();
  const [one] = addressed(['one']);
  if (one === undefined) throw new Error('no vector');
  await storeVectors(database.pool, SPACE, [one, one]);
  await storeVectors(database.pool, SPACE, [{ ...one, vector: one.vector.map((x) => -x) }]);
  const { rows } = await database.pool.query<{ embedding: number[] }>(
    'select embedding from memfleet.vectors',
  );
  expect(rows.map(({ embedding }) => Float32Array.from(embedding))).toEqual([one.vector]);
  const digests = [one.digest, contentDigest('two')];
  expect(await findStored(database.pool, SPACE, digests)).toEqual(new Set([one.digest]));
  expect(await findStored(database.pool, 'another-512', digests)).toEqual(new Set());
  expect(await findStored(database.pool, SPACE, [])).toEqual(new Set());
});

test('more vectors than one statement takes', async () => {
  await using database = await createTestDatabase();
  const texts = Array.from({ length: 2_500 }, (_, n) => `text ${n}`);
  const vectors = addressed(texts);
  await storeVectors(database.pool, SPACE, vectors);
  const last = vectors.at(-1);
  const { rows } = await database.pool.query<{ count: number; embedding: number[] }>(
    `select (select count(*)::int from memfleet.vectors) as count, embedding from memfleet.vectors
      where content_sha256 = decode($1, 'hex')`,
    [last?.digest],
  );
  expect(rows[0]?.count).toBe(2_500);
  expect(Float32Array.from(rows[0]?.embedding ?? [])).toEqual(last?.vector);
});

test('workers that store the same vectors in opposite orders do not deadlock', async () => {
  await using database = await createTestDatabase();
  const vectors = addressed(Array.from({ length: 300 }, (_, n) => `text ${n}`));
  const store = async (items: typeof vectors): Promise<void> =>
    await transaction(database.pool, async (client) => {
      await storeVectors(client, SPACE, items);
    });
  for (let round = 0; round < 5; round += 1) {
    await database.pool.query('truncate memfleet.vectors');
    await Promise.all([
      store(vectors),
      store(vectors.toReversed()),
      store(vectors),
      store(vectors.toReversed()),
    ]);
    const { rows } = await database.pool.query<{ count: number }>(
      'select count(*)::int as count from memfleet.vectors',
    );
    expect(rows[0]?.count).toBe(300);
  }
});
