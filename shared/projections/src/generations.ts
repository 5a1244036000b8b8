import { createHash } from 'node:crypto';
import type { Client, Queryable } from '@memfleet/runtime';
import type { Projection } from './kit/define.ts';
import { APPLIED_SQL } from './sql/applied.ts';

/**
 * One set of tables of a projection. The live one is what the views show; a rebuild makes the next
 * beside it, a promotion swaps them, and the previous one runs on until it is retired.
 */
export interface Generation {
  readonly projection: string;
  readonly generation: number;
  readonly version: number;
  readonly lanes: number;
  readonly state: 'live' | 'next' | 'previous' | 'retired';
  /** Of the text of the views that show it; null for a generation that none shows. */
  readonly viewsDigest: string | null;
}

/** The schema of a generation's tables. The parts are names that `defineProjection` checked. */
export function schemaOf(projection: string, generation: number): string {
  return `${projection}_${generation}`;
}

/** Every generation whose tables are there, in order. */
export async function readGenerations(db: Queryable): Promise<Generation[]> {
  const { rows } = await db.query<Generation>(
    `select projection, generation, version, lanes, state, views_digest as "viewsDigest"
      from memfleet.projection_generations where state <> 'retired'
      order by projection, generation`,
  );
  return rows;
}

/** Tables, row and checkpoints of a generation; its durables are provisioned from its row. */
export async function createGeneration(
  client: Client,
  projection: Projection,
  how: {
    readonly generation: number;
    readonly lanes: number;
    readonly state: 'live' | 'next';
  },
): Promise<void> {
  const { name, version, tablesSql } = projection;
  const schema = schemaOf(name, how.generation);
  await client.query(`create schema ${schema}`);
  await client.query(`set local search_path to ${schema}`);
  await client.query(tablesSql);
  await client.query(APPLIED_SQL);
  await client.query(
    `insert into memfleet.projection_generations (projection, generation, version, lanes, state)
      values ($1, $2, $3, $4, $5)`,
    [name, how.generation, version, how.lanes, how.state],
  );
  await client.query(
    `insert into memfleet.checkpoints (projection, generation, lane)
      select $1, $2, lane from generate_series(0, $3 - 1) as lane`,
    [name, how.generation, how.lanes],
  );
}

/** Makes the views of a projection show a generation. Run in the transaction that makes it live. */
export async function pointViews(
  client: Client,
  projection: Projection,
  generation: number,
): Promise<void> {
  await client.query('create schema if not exists memory');
  await client.query(`set local search_path to ${schemaOf(projection.name, generation)}`);
  await client.query(projection.viewsSql);
  await client.query(
    `update memfleet.projection_generations set views_digest = $3
      where projection = $1 and generation = $2`,
    [projection.name, generation, viewsDigest(projection)],
  );
}

export function viewsDigest({ viewsSql }: Projection): string {
  return createHash('sha256').update(viewsSql).digest('hex');
}
