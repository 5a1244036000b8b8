import { createHash } from 'node:crypto';
import type { Client, Queryable } from '@memfleet/runtime';
import type { Projection } from './kit/define.ts';
import { schemaOf } from './lane-names.ts';
import { APPLIED_SQL } from './sql/applied.ts';
import { deferIndexes } from './sql/indexes.ts';

/**
 * One set of tables of a projection. The views show the live one; a rebuild makes the next one beside
 * it, a promotion swaps them, and the previous one keeps running until it is retired.
 */
export interface Generation {
  readonly projection: string;
  readonly generation: number;
  readonly version: number;
  readonly lanes: number;
  readonly state: 'live' | 'next' | 'previous' | 'retired';
  /** Digest of the text of the views that show it; null when no view does. */
  readonly viewsDigest: string | null;
  /** It is still being filled, so the indexes that only readers need are not there yet. */
  readonly isFilling: boolean;
}

/** Every generation whose tables exist, in order. */
export async function readGenerations(db: Queryable): Promise<Generation[]> {
  const { rows } = await db.query<Generation>(
    `select projection, generation, version, lanes, state, views_digest as "viewsDigest",
        deferred_indexes is not null as "isFilling"
      from memfleet.projection_generations where state <> 'retired'
      order by projection, generation`,
  );
  return rows;
}

/** Creates a generation's tables, row and checkpoints; its durables are provisioned from its row. */
export async function createGeneration(
  client: Client,
  projection: Projection,
  how: {
    readonly generation: number;
    readonly lanes: number;
    readonly state: 'live' | 'next';
  },
): Promise<void> {
  const { name, version, tablesSql, viewsSql } = projection;
  const schema = schemaOf(name, how.generation);
  await client.query(`create schema ${schema}`);
  await client.query(`set local search_path to ${schema}`);
  await client.query(tablesSql);
  await client.query(APPLIED_SQL);
  const deferred = how.state === 'next' ? await deferIndexes(client, schema) : null;
  await client.query(
    `insert into memfleet.projection_generations
        (projection, generation, version, lanes, state, views_sql, deferred_indexes)
      values ($1, $2, $3, $4, $5, $6, $7)`,
    [name, how.generation, version, how.lanes, how.state, viewsSql, deferred],
  );
  await client.query(
    `insert into memfleet.checkpoints (projection, generation, lane)
      select $1, $2, lane from generate_series(0, $3 - 1) as lane`,
    [name, how.generation, how.lanes],
  );
}

export function viewsDigest(viewsSql: string): string {
  return createHash('sha256').update(viewsSql).digest('hex');
}
