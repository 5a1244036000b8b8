import type { Queryable } from '@memfleet/runtime';

/** One event in a tree of causation. */
export interface LineageRow {
  readonly event_key: string;
  readonly event_id: string;
  readonly tenant: string;
  readonly memory: string;
  readonly source: string;
  readonly type: string;
  readonly sequence: string;
  readonly time: Date;
  readonly correlation_id: string;
  readonly causation_id: string;
}

/** A larger tree is useless on a screen; only the number of further events is shown. */
export const MAX_TREE = 2_000;

/**
 * Everything that belongs to the same tree as the given event, in the order of the log: up along the
 * causes to the root, then down from it. `union` ends the walk where causes lead in a circle.
 */
export async function lineageOf(
  db: Queryable,
  id: string,
  tenant: string | undefined,
): Promise<LineageRow[]> {
  const { rows } = await db.query<LineageRow>({
    name: 'events-tree',
    text: `with recursive
      causes as (
        select lineage.* from memory.lineage
        where event_id = $1 and ($2::text is null or tenant = $2)
        union
        select parent.* from causes
        join memory.lineage as parent
          on parent.event_id = causes.causation_id and parent.tenant = causes.tenant
      ),
      tree as (
        select causes.* from causes
        union
        select child.* from tree
        join memory.lineage as child
          on child.causation_id = tree.event_id and child.tenant = tree.tenant
      )
      select * from tree order by sequence limit $3`,
    values: [id, tenant ?? null, MAX_TREE + 1],
  });
  return rows;
}
