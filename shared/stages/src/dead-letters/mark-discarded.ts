import type { Queryable } from '@memfleet/runtime';

/** A letter that is given up for good. */
export interface Discarding {
  readonly stage: string;
  readonly stageVersion: number;
  readonly key: string;
  readonly digest: Buffer;
  /** How often the event had been redriven when the letter was written. */
  readonly redrives: number;
}

/**
 * Notes in the dedupe table that an operator gave the events up, and why. It uses up the letter: a
 * redrive of it that runs at the same time finds its number taken, and has no effect. Rows that do not
 * match the letter (the event took effect, was redriven since, or has another payload) stay as they are.
 * @returns how many rows are marked now
 */
export async function markDiscarded(
  db: Queryable,
  letters: readonly Discarding[],
  because: string,
): Promise<number> {
  const { rowCount } = await db.query({
    name: 'stage-discard',
    text: `with given as materialized (
        select * from unnest($1::text[], $2::int[], $3::uuid[], $4::bytea[], $5::int[])
          as given (stage, stage_version, event_key, payload_digest, redrives)
      ), locked as materialized (
        -- In the order of the keys, as all who change rows of this table.
        select given.* from given join memfleet.stage_work as work
          using (event_key, stage, stage_version)
        where work.state = 'parked' and work.redrives = given.redrives
        order by event_key, stage, stage_version for no key update of work
      )
      update memfleet.stage_work as work
      set reason = 'discarded: ' || $6::text, redrives = work.redrives + 1,
        result = null, published_at = coalesce(work.published_at, now())
      from locked as given
      where work.event_key = given.event_key and work.stage = given.stage
        and work.stage_version = given.stage_version
        and work.payload_digest = given.payload_digest
        and work.state = 'parked' and work.redrives = given.redrives`,
    values: [
      letters.map(({ stage }) => stage),
      letters.map(({ stageVersion }) => stageVersion),
      letters.map(({ key }) => key),
      letters.map(({ digest }) => digest),
      letters.map(({ redrives }) => redrives),
      because,
    ],
  });
  return rowCount ?? 0;
}
