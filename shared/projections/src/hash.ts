import { type Pool, transaction } from '@memfleet/runtime';
import { type Projection, tableNames } from './kit/define.ts';
import { schemaOf } from './lane-names.ts';

export interface TableHash {
  readonly table: string;
  readonly rows: number;
  /** Sum of 64-bit hashes of the rows' text: equal rows have equal sums, in any order. */
  readonly hash: string;
}

/**
 * One hash per table, all from one snapshot. Read models hold no clock values of their own, so two
 * generations that have applied the same log are equal, row for row.
 */
export async function hashTables(
  pool: Pool,
  projection: Projection,
  generation: number,
): Promise<TableHash[]> {
  const schema = schemaOf(projection.name, generation);
  const names = [...projection.tables.flatMap(tableNames), 'applied'];
  return await transaction(pool, async (client) => {
    await client.query('set transaction isolation level repeatable read, read only');
    // A row's text shows times in the session's zone.
    await client.query(`set local timezone to 'UTC'`);
    const hashes: TableHash[] = [];
    for (const table of names) {
      const { rows } = await client.query<{ rows: string; hash: string }>(
        `select count(*) as rows, coalesce(sum(hashtextextended(stored::text, 0)::numeric), 0) as hash
          from ${schema}.${table} as stored`,
      );
      const [found] = rows;
      hashes.push({ table, rows: Number(found?.rows), hash: found?.hash ?? '' });
    }
    return hashes;
  });
}
