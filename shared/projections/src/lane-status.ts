import type { Queryable } from '@memfleet/runtime';
import { durableOf } from './lane-names.ts';

/** What is known about a lane, from any worker; lag follows from `position` or from the durable. */
export interface LaneStatus {
  readonly projection: string;
  readonly version: number;
  readonly generation: number;
  readonly generationState: 'live' | 'next' | 'previous' | 'retired';
  readonly lane: number;
  /** Its durable on the log's stream: `num_pending` is what the broker has not handed out yet. */
  readonly durable: string;
  /** Partition of the log it reads; undefined for the whole log. */
  readonly partition: number | undefined;
  /** Instance of the worker that holds the lease; undefined when nobody does. */
  readonly owner: string | undefined;
  /** Seconds since that worker last reported the lane, or itself. */
  readonly silentSeconds: number;
  readonly epoch: number;
  readonly position: number;
  /** Time of the last applied event. */
  readonly eventTime: Date | undefined;
  readonly state: 'running' | 'held' | 'troubled' | 'halted' | 'unowned';
  readonly cause: string | undefined;
  /** It is still being filled from the log. */
  readonly isFilling: boolean;
  /** Seconds it has been in that state. */
  readonly stateSeconds: number;
  readonly parkedKeys: number;
  readonly parkedEvents: number;
}

interface StatusRow {
  projection: string;
  version: number;
  generation: number;
  generation_state: LaneStatus['generationState'];
  lanes: number;
  lane: number;
  owner: string | null;
  last_owner: string | null;
  /** Since the lease ran out; null when it was given back, or nobody ever had it. */
  expired_seconds: number | null;
  silent_seconds: number | null;
  epoch: string;
  position: string;
  event_time: Date | null;
  state: 'running' | 'troubled' | 'halted' | null;
  cause: string | null;
  state_seconds: number | null;
  filling: boolean;
  held_at: string | null;
  parked_keys: number;
  parked_events: number;
}

/** A projection as the code has it. */
interface CodeVersion {
  readonly name: string;
  readonly version: number;
}

/**
 * Every lane of every generation that is not retired. Given the `projections` of the code, the cause of
 * an unowned lane says when the code has another version than the tables; a program that only reads
 * the tables passes none.
 */
export async function laneStatus(
  db: Queryable,
  projections: readonly CodeVersion[] = [],
): Promise<LaneStatus[]> {
  const { rows } = await db.query<StatusRow>({
    name: 'lane-status',
    text: `select generations.projection, generations.version, generations.generation,
        generations.state as generation_state, generations.lanes, checkpoints.lane,
        case when lease_until > now() then leases.owner end as owner,
        leases.owner as last_owner,
        case when lease_until between '-infinity'::timestamptz + '1 second' and now()
          then extract(epoch from now() - lease_until)::float8 end as expired_seconds,
        extract(epoch from now() - coalesce(reports.reported_at, workers.reported_at))::float8
          as silent_seconds,
        checkpoints.epoch, checkpoints.position, checkpoints.event_time,
        reports.state, reports.cause, deferred_indexes is not null as filling,
        case when hold_until > now() then hold_at end as held_at,
        extract(epoch from now() - reports.since)::float8 as state_seconds,
        coalesce(parked.keys, 0)::int as parked_keys, coalesce(parked.events, 0)::int as parked_events
      from memfleet.projection_generations as generations
      join memfleet.checkpoints using (projection, generation)
      left join memfleet.leases
        on leases.name = concat_ws('/', 'projection', projection, generation::text, lane::text)
      left join memfleet.lane_reports as reports
        on reports.projection = generations.projection
        and reports.generation = generations.generation
        and reports.lane = checkpoints.lane and reports.instance = leases.owner
        and leases.lease_until > now()
      left join memfleet.worker_reports as workers
        on workers.instance = leases.owner and leases.lease_until > now()
      left join lateral (
        select count(distinct (tenant, memory)) as keys, count(*) as events
        from memfleet.parked_events as waiting
        where waiting.projection = generations.projection
          and waiting.generation = generations.generation and waiting.lane = checkpoints.lane
      ) as parked on true
      where generations.state <> 'retired'
      order by projection, generation, lane`,
  });
  return rows.map((row) => statusOf(row, projections));
}

function statusOf(row: StatusRow, projections: readonly CodeVersion[]): LaneStatus {
  const { projection, version, generation, lane, lanes, owner } = row;
  return {
    projection,
    version,
    generation,
    generationState: row.generation_state,
    lane,
    durable: durableOf({ projection, generation, lane }),
    partition: lanes === 1 ? undefined : lane,
    owner: owner ?? undefined,
    silentSeconds: row.silent_seconds ?? 0,
    epoch: Number(row.epoch),
    position: Number(row.position),
    eventTime: row.event_time ?? undefined,
    ...stateOf(row, projections),
    isFilling: row.filling,
    stateSeconds: row.state_seconds ?? row.expired_seconds ?? 0,
    parkedKeys: row.parked_keys,
    parkedEvents: row.parked_events,
  };
}

function stateOf(
  row: StatusRow,
  projections: readonly CodeVersion[],
): Pick<LaneStatus, 'state' | 'cause'> {
  const { owner, state, cause, held_at: heldAt } = row;
  if (owner === null) return { state: 'unowned', cause: whyUnowned(row, projections) };
  if (state === 'halted') return { state, cause: cause ?? undefined };
  if (heldAt !== null) return { state: 'held', cause: `held at ${heldAt} to be compared` };
  return { state: state ?? 'running', cause: cause ?? undefined };
}

/**
 * After a deploy there may be no worker left that can write the tables of the previous version. An
 * expired lease means that its worker died, hangs, or cannot reach the database.
 */
function whyUnowned(row: StatusRow, projections: readonly CodeVersion[]): string {
  const { projection, version, last_owner: lastOwner, expired_seconds: expired } = row;
  const ours = projections.find(({ name }) => name === projection);
  if (ours !== undefined && ours.version !== version) {
    return `no worker holds this lane: its tables have version ${version}, the code has version ${ours.version}, and a rebuild makes new tables`;
  }
  return lastOwner === null || expired === null
    ? 'no worker holds this lane'
    : `no worker holds this lane: the lease of ${lastOwner} ran out ${Math.round(expired)} s ago`;
}
