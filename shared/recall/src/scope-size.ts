import type { Queryable } from '@memfleet/runtime';
import type { Scope } from './scope.ts';

/**
 * How many memories an index leads to, among which those of the scope are: those of the user, agent or session it
 * names, counted to one more than `most`, or else those of the tenant, about.
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
