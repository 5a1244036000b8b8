import type { Queryable } from '@memfleet/runtime';
import type { ClaimRequest } from '../claims/dedupe.ts';
import type { StageIdentity } from '../stage.ts';

/** A redriven event that is about to be claimed. */
export interface Reopening extends ClaimRequest {
  /** Its number: 1 for the first redrive of the event. */
  readonly redrives: number;
}

/**
 * Makes parked events claimable again, with all their attempts, before the claim of their batch.
 * Each redrive has a number, and a row takes every number once: a redelivery of the same redrive
 * finds its result, and a redrive that was queued twice changes nothing. An event whose row says
 * anything but "parked" stays as it is, as does one with another payload.
 *
 * This also creates the row of an event that has none, such as one that no earlier version could read:
 * the row must carry the number as well, or a redelivery would reopen it.
 */
export async function reopen(
  db: Queryable,
  stage: StageIdentity,
  events: readonly Reopening[],
): Promise<void> {
  await db.query({
    name: 'stage-reopen',
    text: `insert into memfleet.stage_work as work
        (stage, stage_version, event_key, tenant, event_id, sequence, payload_digest, redrives,
         state, lease_token, lease_until)
      select $1, $2, event_key, tenant, event_id, sequence, payload_digest, redrives,
        'claimed', gen_random_uuid(), '-infinity'
      from unnest($3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bytea[], $8::int[])
        as asked (event_key, tenant, event_id, sequence, payload_digest, redrives)
      order by event_key
      on conflict (event_key, stage, stage_version) do update
        set state = 'claimed', redrives = excluded.redrives, attempts = 0, abandoned = 0,
          lease_token = excluded.lease_token, lease_until = '-infinity',
          result = null, reason = null, recorded_at = null, published_at = null
        where work.state = 'parked' and work.redrives < excluded.redrives
          and work.payload_digest = excluded.payload_digest`,
    values: [
      stage.name,
      stage.version,
      events.map(({ key }) => key),
      events.map(({ tenant }) => tenant),
      events.map(({ eventId }) => eventId),
      events.map(({ sequence }) => sequence),
      events.map(({ digest }) => digest),
      events.map(({ redrives }) => redrives),
    ],
  });
}
