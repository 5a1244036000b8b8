import { buildIndexes, PROJECTIONS, schemaOf } from '@memfleet/projections';
import { type Queryable, transaction } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { createGeneration } from '../../../shared/projections/src/generations.ts';
import { createTestDatabase } from '../../support/database.ts';

async function indexesOf(db: Queryable, schema: string): Promise<string[]> {
  const { rows } = await db.query<{ definition: string }>(
    `select replace(pg_get_indexdef(indexrelid), nspname || '.', '') as definition
      from pg_index join pg_class on pg_class.oid = indexrelid
      join pg_namespace on pg_namespace.oid = relnamespace
      where nspname = $1 and indisvalid order by definition`,
    [schema],
  );
  return rows.map(({ definition }) => definition);
}

test.each(PROJECTIONS.map(({ name }) => name))(
  'a rebuilt generation of %s has the same indexes as one that is made live',
  async (name) => {
    await using database = await createTestDatabase();
    const { pool } = database;
    const projection = PROJECTIONS.find((known) => known.name === name);
    if (projection === undefined) throw new Error(`${name} is no projection`);
    for (const [generation, state] of [
      [1, 'live'],
      [2, 'next'],
    ] as const) {
      await transaction(pool, async (client) => {
        await createGeneration(client, projection, { generation, lanes: 1, state });
      });
    }
    const live = await indexesOf(pool, schemaOf(name, 1));
    expect(await indexesOf(pool, schemaOf(name, 2))).not.toEqual(live);
    const built: string[] = [];
    await buildIndexes(pool, name, 2, {
      signal: new AbortController().signal,
      onIndex: (index) => built.push(index),
    });
    expect(built).not.toEqual([]);
    expect(await indexesOf(pool, schemaOf(name, 2))).toEqual(live);
  },
);
