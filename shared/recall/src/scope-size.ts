import type { Queryable } from '@memfleet/runtime';
import type { Scope } from './scope.ts';

/** Rows of a tenant that are read to count those which a filter without an index lets through. */
const MOST_READ = 100_000;

/**
 * How many memories a search must look at to see the whole scope: those of the user, agent or session that
 * it names, or else those that pass its other filters, counted to one more than `most`. For a tenant too
 * large to be counted, and without any filter, the approximate number of the tenant's.
 */
export async function rowsOfScope(
  db: Queryable,
  scope: Scope,
  { tenantRows, most }: { readonly tenantRows: number; readonly most: number },
): Promise<number> {
  const { indexed, isNarrow, shape, seen } = scope;
  if (tenantRows <= most || !isNarrow) return tenantRows;
  if (indexed === undefined && tenantRows > MOST_READ) return tenantRows;
  const { condition, values } = indexed ?? { condition: seen, values: scope.values };
  const { rows } = await db.query<{ rows: number }>({
    name: `recall-rows-${shape}`,
    text: `select count(*)::int as rows from (
      select from memory.memories where ${condition} limit $${values.length + 1}::int + 1) as found`,
    values: [...values, most],
  });
  return rows[0]?.rows ?? 0;
}
