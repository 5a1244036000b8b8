import type { Queryable } from '@memfleet/runtime';

/** A later copy of an event in the log, and the position of the first copy. */
export interface EventCopy {
  readonly eventKey: string;
  readonly sequence: number;
  readonly firstSequence: number;
}

/** Whether a copy has the payload of the first; `erased` when the log no longer holds both. */
export type Verdict = 'same' | 'other' | 'erased';

export interface JudgedCopy extends EventCopy {
  readonly verdict: Verdict;
  /** Read from the copy, or else from the first; null when neither is there. */
  readonly tenant: string | null;
  readonly eventId: string | null;
  readonly type: string | null;
}

interface CopyRow {
  readonly event_key: string;
  readonly sequence: string;
  readonly first_sequence: string;
}

/** Copies that have not been compared yet, the earliest in the log first. */
export async function readUnjudged(db: Queryable, limit: number): Promise<EventCopy[]> {
  const { rows } = await db.query<CopyRow>({
    name: 'copies-unjudged',
    text: `select event_key, sequence, first_sequence from memfleet.event_copies
      where verdict is null order by sequence limit $1`,
    values: [limit],
  });
  return rows.map((row) => ({
    eventKey: row.event_key,
    sequence: Number(row.sequence),
    firstSequence: Number(row.first_sequence),
  }));
}

/**
 * Stores verdicts, each once: a verdict is dropped when another process has stored one already, or when
 * the first copy is another one by now.
 * @returns the verdicts that were stored
 */
export async function keepVerdicts(
  db: Queryable,
  judged: readonly JudgedCopy[],
): Promise<JudgedCopy[]> {
  const { rows } = await db.query<Pick<CopyRow, 'event_key' | 'sequence'>>({
    name: 'copies-judge',
    text: `update memfleet.event_copies as noted set verdict = given.verdict, judged_at = now(),
        tenant = given.tenant, event_id = given.event_id, type = given.type
      from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[],
          $7::text[])
        as given (event_key, sequence, first_sequence, verdict, tenant, event_id, type)
      where noted.event_key = given.event_key and noted.sequence = given.sequence
        and noted.first_sequence = given.first_sequence and noted.verdict is null
      returning noted.event_key, noted.sequence`,
    values: [
      judged.map(({ eventKey }) => eventKey),
      judged.map(({ sequence }) => sequence),
      judged.map(({ firstSequence }) => firstSequence),
      judged.map(({ verdict }) => verdict),
      judged.map(({ tenant }) => tenant),
      judged.map(({ eventId }) => eventId),
      judged.map(({ type }) => type),
    ],
  });
  const kept = new Set(rows.map((row) => idOf(row.event_key, Number(row.sequence))));
  return judged.filter(({ eventKey, sequence }) => kept.has(idOf(eventKey, sequence)));
}

/** Copies with another payload under the same id, as `memfleet status` shows them. */
export interface ConflictingCopies {
  /** Copies that nobody has acknowledged. */
  readonly count: number;
  /** Copies that have not been compared yet. */
  readonly unjudged: number;
  /** A few of them, the latest in the log first. */
  readonly latest: readonly {
    readonly tenant: string | null;
    readonly eventId: string | null;
    readonly type: string | null;
    readonly sequence: number;
    readonly firstSequence: number;
  }[];
}

const SHOWN = 5;

export async function readConflictingCopies(db: Queryable): Promise<ConflictingCopies> {
  const { rows: counts } = await db.query<{ count: number; unjudged: number }>({
    name: 'copies-count',
    text: `select
        (select count(*) from memfleet.event_copies
          where verdict = 'other' and acknowledged_at is null)::float8 as count,
        (select count(*) from memfleet.event_copies where verdict is null)::float8 as unjudged`,
  });
  const { count = 0, unjudged = 0 } = counts[0] ?? {};
  if (count === 0) return { count, unjudged, latest: [] };
  const { rows } = await db.query<ConflictingCopies['latest'][number]>({
    name: 'copies-latest',
    text: `select tenant, event_id as "eventId", type, sequence::float8 as sequence,
        first_sequence::float8 as "firstSequence"
      from memfleet.event_copies where verdict = 'other' and acknowledged_at is null
      order by sequence desc limit $1`,
    values: [SHOWN],
  });
  return { count, unjudged, latest: rows };
}

function idOf(eventKey: string, sequence: number): string {
  return `${eventKey} ${sequence}`;
}
