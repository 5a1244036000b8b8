import type { Queryable } from '@memfleet/runtime';
import type { Scope } from './scope.ts';

/** Rows of a tenant that are read to count those which a filter without an index lets through. */
const MOST_READ = 100_000;

interface Count {
  /** The approximate number of the tenant's memories. */
  readonly tenantRows: number;
  /** The most to count; one more means that there are more. */
  readonly most: number;
}

/**
 * How many memories the index behind a scope leads to: those of the user, agent or session that the scope
 * names, counted to one more than `most`; otherwise the approximate number of the tenant's.
 */
export async function rowsOfIndex(
  db: Queryable,
  { indexed, shape }: Scope,
  { tenantRows, most }: Count,
): Promise<number> {
  if (tenantRows <= most || indexed === undefined) return tenantRows;
  return await count(db, `recall-rows-${shape}`, indexed, most);
}

/**
 * How many memories pass the filters of a scope, counted to one more than `most`; the approximate number of
 * the tenant's where there is no filter, or where counting would read too many rows.
 */
export async function rowsOfScope(
  db: Queryable,
  { indexed, isFiltered, shape, seen, values }: Scope,
  { tenantRows, most }: Count,
): Promise<number> {
  if (tenantRows <= most || !isFiltered) return tenantRows;
  if (indexed === undefined && tenantRows > MOST_READ) return tenantRows;
  return await count(db, `recall-seen-${shape}`, { condition: seen, values }, most);
}

async function count(
  db: Queryable,
  name: string,
  { condition, values }: { readonly condition: string; readonly values: readonly unknown[] },
  most: number,
): Promise<number> {
  const { rows } = await db.query<{ rows: number }>({
    name,
    text: `select count(*)::int as rows from (
      select from memory.memories where ${condition} limit $${values.length + 1}::int + 1) as found`,
    values: [...values, most],
  });
  return rows[0]?.rows ?? 0;
}
