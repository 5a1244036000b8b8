import type { Pool } from '@memfleet/runtime';

/** The contents of the read models after all events were processed. */
export interface Learnt {
  /** Memories that can be recalled: forgotten ones do not count. */
  readonly memories: number;
  readonly facts: number;
  readonly entities: number;
  readonly embeddings: number;
  /** Events that a stage or a projection gave up on. */
  readonly parked: number;
}

const LEARNT = `
  select
    (select count(*) from memory.memories where content is not null and forgotten_at is null) as memories,
    (select count(*) from memory.facts) as facts,
    (select count(*) from memory.entities) as entities,
    (select count(*) from memory.embeddings) as embeddings,
    (select count(*) from memfleet.stage_work where state = 'parked')
      + (select count(*) from memfleet.parked_events) as parked`;

export async function whatWasLearnt(pool: Pool): Promise<Learnt> {
  // PostgreSQL's counts are bigint, which arrive as text.
  const { rows } = await pool.query<Record<keyof Learnt, string>>(LEARNT);
  const [row] = rows;
  if (row === undefined) throw new Error('the counts are missing');
  return {
    memories: Number(row.memories),
    facts: Number(row.facts),
    entities: Number(row.entities),
    embeddings: Number(row.embeddings),
    parked: Number(row.parked),
  };
}
