import type { Queryable } from '@memfleet/runtime';
import type { Scope } from './scope.ts';

/**
 * How many memories the index behind a scope leads to: those of the user, agent or session that the scope
 * names, counted to one more than `most`; otherwise the approximate number of the tenant's.
 */
export async function rowsOfScope(
  db: Queryable,
  { indexed, shape }: Scope,
  { tenantRows, most }: { readonly tenantRows: number; readonly most: number },
): Promise<number> {
  if (tenantRows <= most || indexed === undefined) return tenantRows;
  const { condition, values } = indexed;
  const { rows } = await db.query<{ rows: number }>({
    name: `recall-rows-${shape}`,
    text: `select count(*)::int as rows from (
      select from memory.memories where ${condition} limit $${values.length + 1}::int + 1) as found`,
    values: [...values, most],
  });
  return rows[0]?.rows ?? 0;
}
