import { bigintArray, type Queryable, textArray } from '@memfleet/runtime';
import type { StageIdentity } from '../stage.ts';

/** One owner's claim on one event. */
export interface ClaimRef {
  readonly key: string;
  readonly token: string;
}

/**
 * Selects the given claims that still belong to their owners, by key and token: a process may hold one
 * event under two claims, and the row knows only the last.
 */
export class HeldClaims {
  readonly #held: ReadonlySet<string>;

  constructor(claims: readonly ClaimRef[]) {
    this.#held = new Set(claims.map(nameOf));
  }

  has(asked: ClaimRef): boolean {
    return this.#held.has(nameOf(asked));
  }
}

function nameOf({ key, token }: ClaimRef): string {
  return `${key} ${token}`;
}

export interface Release extends ClaimRef {
  /** False when the try was not the event's fault, as in an outage. */
  readonly countsAsAttempt: boolean;
}

/**
 * Gives claims back, so that the next delivery may take them at once.
 * @returns the claims that were still held; nothing may be reported to the broker about the others
 */
export async function release(
  db: Queryable,
  stage: StageIdentity,
  releases: readonly Release[],
): Promise<HeldClaims> {
  const { rows } = await db.query<ClaimRef>({
    name: 'stage-release',
    text: `with given as materialized (
        select $1::text as stage, $2::int as stage_version, *
        from unnest($3::text[]::uuid[], $4::text[]::uuid[], $5::bigint[]) as given (event_key, lease_token, attempts)
      ), locked as materialized (
        select given.* from given join memfleet.stage_work as work
          using (event_key, stage, stage_version)
        where work.lease_token = given.lease_token and work.state = 'claimed'
        order by event_key for no key update of work
      )
      update memfleet.stage_work as work
      set attempts = work.attempts
            + case when work.lease_until = '-infinity' then 0 else given.attempts end,
          lease_until = '-infinity'
      from locked as given
      where work.event_key = given.event_key and work.stage = given.stage
        and work.stage_version = given.stage_version
        and work.lease_token = given.lease_token and work.state = 'claimed'
      returning work.event_key as key, work.lease_token as token`,
    values: [
      stage.name,
      stage.version,
      textArray(releases.map((item) => item.key)),
      textArray(releases.map((item) => item.token)),
      bigintArray(releases.map((item) => (item.countsAsAttempt ? 1 : 0))),
    ],
  });
  return new HeldClaims(rows);
}

/**
 * Extends leases, counted from when their rows are locked: `now()` is older by the wait for the locks.
 * @returns the claims still held (other work must stop), and the database's clock, in ms since 1970
 */
export async function renewClaims(
  db: Queryable,
  stage: StageIdentity,
  held: readonly ClaimRef[],
  leaseMs: number,
): Promise<{ readonly kept: HeldClaims; readonly nowMs: number }> {
  const { rows } = await db.query<{ key: string | null; token: string | null; now: number }>({
    name: 'stage-renew',
    text: `with held as materialized (
        select $1::text as stage, $2::int as stage_version, *
        from unnest($3::text[]::uuid[], $4::text[]::uuid[]) as held (event_key, lease_token)
      ), locked as materialized (
        select held.* from held join memfleet.stage_work as work
          using (event_key, stage, stage_version)
        where work.lease_token = held.lease_token and work.lease_until <> '-infinity'
        order by event_key for no key update of work
      ), renewed as (
      update memfleet.stage_work as work
      set lease_until = clock_timestamp() + $5 * interval '1 millisecond'
      from locked as held
      where work.event_key = held.event_key and work.stage = held.stage
        and work.stage_version = held.stage_version
        and work.lease_token = held.lease_token and work.lease_until <> '-infinity'
      returning work.event_key as key, work.lease_token as token
      )
      select key, token, (extract(epoch from now()) * 1000)::float8 as now
      from (select) as always left join renewed on true`,
    values: [
      stage.name,
      stage.version,
      textArray(held.map((item) => item.key)),
      textArray(held.map((item) => item.token)),
      leaseMs,
    ],
  });
  const kept = rows.flatMap(({ key, token }) =>
    key === null || token === null ? [] : [{ key, token }],
  );
  return { kept: new HeldClaims(kept), nowMs: rows[0]?.now ?? 0 };
}
