import type { LaneId } from '@memfleet/projections';
import type { Queryable } from '@memfleet/runtime';
import { type Culprit, storableReason } from './parked-keys.ts';

/** Memories that are asked about at once; far more than are tried again in a turn. */
const MEMORIES = 1_000;

export interface Key {
  readonly tenant: string;
  readonly memory: string;
}

export interface Request extends Key {
  /** As PostgreSQL writes it, so that no digit is lost: tells this request from a later one. */
  readonly requestedAt: string;
}

/** What a lane reads of the database now and then, whatever it does. */
export interface Look {
  /** Where the lane stands; undefined when it is gone. */
  readonly row: { readonly epoch: string; readonly position: number } | undefined;
  readonly requests: Request[];
}

/** The lane's row, and what it is asked to try again. */
export async function look(db: Queryable, { projection, generation, lane }: LaneId): Promise<Look> {
  const { rows } = await db.query<{
    epoch: string;
    position: string;
    tenant: string | null;
    memory: string | null;
    requestedAt: string | null;
  }>({
    name: 'lane-look',
    text: `select epoch, position, tenant, memory, requested_at::text as "requestedAt"
      from memfleet.checkpoints left join memfleet.parked_redrives as asked
        on (asked.projection, asked.generation, asked.lane)
          = (checkpoints.projection, checkpoints.generation, checkpoints.lane)
          and finished_at is null
      where checkpoints.projection = $1 and checkpoints.generation = $2 and checkpoints.lane = $3
      order by requested_at, tenant, memory limit $4`,
    values: [projection, generation, lane, MEMORIES],
  });
  const [first] = rows;
  return {
    row: first && { epoch: first.epoch, position: Number(first.position) },
    requests: rows.flatMap(({ tenant, memory, requestedAt }) =>
      tenant === null || memory === null || requestedAt === null
        ? []
        : [{ tenant, memory, requestedAt }],
    ),
  };
}

/**
 * Ends this request, or hands it on to the next lane with events of the same key; one that was made
 * meanwhile asks for another try, and stands.
 */
export async function finish(
  db: Queryable,
  { projection, generation, lane }: LaneId,
  { tenant, memory, requestedAt }: Request,
  applied: number,
  culprit: Culprit | undefined,
): Promise<void> {
  await db.query({
    name: 'redrive-finished',
    text: `update memfleet.parked_redrives as request set
        lane = coalesce(next.lane, request.lane),
        finished_at = case when next.lane is null then now() end,
        applied = coalesce(request.applied, 0) + $6,
        reason = coalesce(request.reason, $7)
      from (
        select min(lane) as lane from memfleet.parked_events
        where projection = $1 and generation = $2 and lane > $3 and tenant = $4 and memory = $5
      ) as next
      where request.projection = $1 and request.generation = $2 and request.lane = $3
        and request.tenant = $4 and request.memory = $5 and requested_at = $8::timestamptz
        and finished_at is null`,
    values: [
      projection,
      generation,
      lane,
      tenant,
      memory,
      applied,
      culprit && storableReason(`position ${culprit.sequence}: ${culprit.reason}`),
      requestedAt,
    ],
  });
}
