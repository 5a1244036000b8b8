import type { ModelUse } from '@memfleet/events';
import { bigintArray, byteaArray, doubleArray, type Queryable, textArray } from '@memfleet/runtime';
import type { StageIdentity } from '../stage.ts';
import { type ClaimRef, HeldClaims } from './held-claims.ts';

/**
 * The dedupe table of the stages: who works on an event, and how it ended.
 *
 * In every statement the stage is a column of the requested rows, not a condition on the table: with
 * `where stage = $1`, a planner without statistics expects a single row, and compares the whole table
 * with the whole batch.
 *
 * Every statement locks its rows in the order of their keys before it changes the first, whatever
 * order a join finds them in: two statements with overlapping batches cannot deadlock.
 */

export interface ClaimRequest {
  readonly key: string;
  readonly tenant: string;
  readonly eventId: string;
  /** Where the log has the bytes of this delivery. */
  readonly sequence: number;
  /** SHA-256 of the event's payload. */
  readonly digest: Buffer;
}

export type Claim =
  | {
      readonly kind: 'claimed';
      readonly token: string;
      /** The lowest position at which a delivery had the event: a later copy does not move it. */
      readonly sequence: number;
      /** Tries that counted so far, this one included. */
      readonly attempt: number;
      /** Claims that expired without a word, as when the worker died or was stopped. */
      readonly abandoned: number;
      /** How often the event was redriven, whether or not this delivery came from a redrive. */
      readonly redrives: number;
    }
  /** A live worker has it, perhaps this one. */
  | { readonly kind: 'leased' }
  | {
      readonly kind: 'finished';
      readonly state: 'done' | 'skipped' | 'parked';
      /** The recorded result as JSON, unless it is known to be published. */
      readonly unpublished: string | undefined;
      readonly redrives: number;
    }
  /** The same id came before with a different payload. */
  | { readonly kind: 'conflict' };

interface ClaimRow {
  event_key: string;
  sequence: number | null;
  attempts: number | null;
  abandoned: number | null;
  state: 'claimed' | 'done' | 'skipped' | 'parked' | null;
  same_payload: boolean | null;
  unpublished: string | null;
  redrives: number;
}

/**
 * Claims a whole batch in one round trip. Keys must differ within a batch.
 */
export async function claim(
  db: Queryable,
  stage: StageIdentity,
  requests: readonly ClaimRequest[],
  token: string,
  leaseMs: number,
): Promise<Claim[]> {
  const { rows } = await db.query<ClaimRow>({
    name: 'stage-claim',
    text: CLAIM_SQL,
    values: [
      stage.name,
      stage.version,
      textArray(requests.map((request) => request.key)),
      textArray(requests.map((request) => request.tenant)),
      textArray(requests.map((request) => request.eventId)),
      bigintArray(requests.map((request) => request.sequence)),
      byteaArray(requests.map((request) => request.digest)),
      token,
      leaseMs,
    ],
  });
  const byKey = new Map(rows.map((row) => [row.event_key, row]));
  return requests.map(({ key }) => claimOf(byKey.get(key), token));
}

/**
 * Inserts a claim for every event that has none, whose claim has expired, or that this very claim took
 * before its answer was lost; then returns the state of each event. The second part sees the table as it
 * was when the statement began, so the state of a claimed row comes from the claim itself. Rows that
 * another worker inserted at the same moment appear in neither part: they are leased. A lease begins once
 * its row is locked: `now()` is older by the wait for that lock.
 *
 * An event stands where the log has it first. A copy that comes between two tries must not give it a newer
 * place: its result would win over that of an event which the log has between the two.
 */
const CLAIM_SQL = `
with asked as materialized (
  select $1::text as stage, $2::int as stage_version, * from unnest($3::text[]::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bytea[])
    as asked (event_key, tenant, event_id, sequence, payload_digest)
), claimed as (
  insert into memfleet.stage_work as work
    (stage, stage_version, event_key, tenant, event_id, sequence, payload_digest,
     state, lease_token, lease_until)
  select stage, stage_version, event_key, tenant, event_id, sequence, payload_digest,
     'claimed', $8, clock_timestamp() + $9 * interval '1 millisecond'
  from asked order by event_key
  on conflict (event_key, stage, stage_version) do update
    set lease_token = excluded.lease_token, sequence = least(work.sequence, excluded.sequence),
        lease_until = clock_timestamp() + $9 * interval '1 millisecond', claimed_at = now(),
        abandoned = work.abandoned + case
          when work.lease_token = excluded.lease_token or work.lease_until = '-infinity' then 0
          else 1 end
    where work.state = 'claimed' and work.payload_digest = excluded.payload_digest
      and (work.lease_until < now() or work.lease_token = excluded.lease_token)
  returning event_key, sequence, attempts, abandoned, redrives
)
select asked.event_key, claimed.sequence::float8 as sequence, claimed.attempts, claimed.abandoned, work.state,
  work.payload_digest = asked.payload_digest as same_payload,
  case when work.published_at is null then work.result end as unpublished,
  coalesce(claimed.redrives, work.redrives, 0) as redrives
from asked
left join claimed using (event_key)
left join memfleet.stage_work as work on work.event_key = asked.event_key
  and work.stage = asked.stage and work.stage_version = asked.stage_version`;

function claimOf(row: ClaimRow | undefined, token: string): Claim {
  if (row === undefined) return { kind: 'leased' };
  const { redrives } = row;
  if (row.attempts !== null && row.sequence !== null) {
    const { sequence, attempts } = row;
    const abandoned = row.abandoned ?? 0;
    return { kind: 'claimed', token, sequence, attempt: attempts + 1, abandoned, redrives };
  }
  if (row.same_payload === false) return { kind: 'conflict' };
  if (row.state === null || row.state === 'claimed') return { kind: 'leased' };
  const { state, unpublished } = row;
  return { kind: 'finished', state, unpublished: unpublished ?? undefined, redrives };
}

export interface Finished extends ClaimRef {
  readonly state: 'done' | 'skipped' | 'parked';
  /** Derived events or a dead letter to publish, as JSON. Absent if there is nothing to publish. */
  readonly result?: string;
  readonly reason?: string;
  readonly use?: ModelUse;
}

/**
 * Records the results of a batch, fenced: a row whose lease went to another worker stays as it is.
 * Running it twice has the effect of once, so a commit without an answer can be repeated: the second run
 * finds the row in its target state.
 * @returns the claims under which a result was recorded; discard the work under any other claim
 */
export async function record(
  db: Queryable,
  stage: StageIdentity,
  finished: readonly Finished[],
): Promise<HeldClaims> {
  const { rows } = await db.query<ClaimRef>({
    name: 'stage-record',
    text: `with ended as materialized (
        select $1::text as stage, $2::int as stage_version, *
        from unnest($3::text[]::uuid[], $4::text[]::uuid[], $5::text[], $6::text[], $7::text[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::float8[], $12::float8[])
          as ended (event_key, lease_token, state, result, reason, calls, input_tokens,
            output_tokens, cost_usd, duration_ms)
      ), locked as materialized (
        select event_key, ended.lease_token from ended join memfleet.stage_work as work
          using (event_key, stage, stage_version)
        where work.lease_token = ended.lease_token and work.state in ('claimed', ended.state)
        order by event_key for no key update of work
      )
      update memfleet.stage_work as work
      set state = ended.state, reason = ended.reason,
          result = case when work.published_at is null then ended.result end,
          calls = ended.calls, input_tokens = ended.input_tokens,
          output_tokens = ended.output_tokens, cost_usd = ended.cost_usd,
          duration_ms = ended.duration_ms, recorded_at = now()
      from ended join locked using (event_key, lease_token)
      where work.event_key = ended.event_key and work.stage = ended.stage
        and work.stage_version = ended.stage_version
        and work.lease_token = ended.lease_token and work.state in ('claimed', ended.state)
      returning work.event_key as key, work.lease_token as token`,
    values: [
      stage.name,
      stage.version,
      textArray(finished.map((item) => item.key)),
      textArray(finished.map((item) => item.token)),
      textArray(finished.map((item) => item.state)),
      textArray(finished.map((item) => item.result)),
      textArray(finished.map((item) => item.reason)),
      bigintArray(finished.map((item) => item.use?.usage.calls ?? 0)),
      bigintArray(finished.map((item) => item.use?.usage.input_tokens ?? 0)),
      bigintArray(finished.map((item) => item.use?.usage.output_tokens ?? 0)),
      doubleArray(finished.map((item) => item.use?.cost_usd ?? 0)),
      doubleArray(finished.map((item) => item.use?.duration_ms ?? 0)),
    ],
  });
  return new HeldClaims(rows);
}

/**
 * Notes that the result is in the log, so that a redelivery publishes nothing again. From here on the
 * log has it, and the row need not keep it. An event that was redriven meanwhile has another result by
 * now, to which this does not apply.
 */
export async function markPublished(
  db: Queryable,
  stage: StageIdentity,
  published: readonly { readonly key: string; readonly redrives: number }[],
): Promise<void> {
  await db.query({
    name: 'stage-published',
    text: `with out as materialized (
        select $1::text as stage, $2::int as stage_version, *
        from unnest($3::text[]::uuid[], $4::bigint[]) as out (event_key, redrives)
      ), locked as materialized (
        select event_key, out.stage, out.stage_version, out.redrives from out join memfleet.stage_work as work
          using (event_key, stage, stage_version)
        where work.redrives = out.redrives and work.state <> 'claimed' and work.published_at is null
        order by event_key for no key update of work
      )
      update memfleet.stage_work as work set published_at = now(), result = null
      from locked as out
      where work.event_key = out.event_key and work.stage = out.stage
        and work.stage_version = out.stage_version
        and work.redrives = out.redrives
        and work.state <> 'claimed' and work.published_at is null`,
    values: [
      stage.name,
      stage.version,
      textArray(published.map(({ key }) => key)),
      bigintArray(published.map(({ redrives }) => redrives)),
    ],
  });
}
