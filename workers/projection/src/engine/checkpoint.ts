import type { LaneId } from '@memfleet/projections';
import { type FlightStatement, type Queryable, sqlState } from '@memfleet/runtime';

/** How far a lane is, and what identifies the log it has read. */
export interface Checkpoint {
  readonly position: number;
  /** Null until something was read. */
  readonly streamCreated: string | null;
  readonly eventDigest: Buffer | null;
}

/** A worker with a higher epoch has the lane: nothing of this batch may be kept. */
export class LaneLost extends Error {
  override readonly name = 'LaneLost';
}

/** A comparison of generations runs at this position: the lane may go up to it, and no further. */
export class LaneHeld extends Error {
  override readonly name = 'LaneHeld';
  readonly position: number;

  constructor(position: number) {
    super(`the lane is held at position ${position}`);
    this.position = position;
  }
}

interface CheckpointRow {
  epoch: string;
  position: string;
  stream_created: string | null;
  event_digest: Buffer | null;
}

/**
 * Stamps the lane's row with our epoch and reads it. The previous owner either has committed by now,
 * and we read what it wrote, or its commit will fail because its epoch is gone.
 * @throws LaneLost when the row has a higher epoch
 */
export async function takeCheckpoint(
  db: Queryable,
  { projection, generation, lane }: LaneId,
  epoch: bigint,
): Promise<Checkpoint> {
  const { rows } = await db.query<CheckpointRow>({
    name: 'checkpoint-take',
    text: `update memfleet.checkpoints set epoch = $4
      where projection = $1 and generation = $2 and lane = $3 and epoch <= $4
      returning epoch, position, stream_created, event_digest`,
    values: [projection, generation, lane, epoch.toString()],
  });
  const [row] = rows;
  if (row === undefined) throw new LaneLost('the lane has a newer owner, or is gone');
  return {
    position: Number(row.position),
    streamCreated: row.stream_created,
    eventDigest: row.event_digest,
  };
}

export interface Advance {
  readonly from: number;
  readonly to: number;
  readonly streamCreated: string;
  /** SHA-256 of the bytes of the event at `to`. */
  readonly eventDigest: Buffer;
  /** When that event was stored. */
  readonly eventTime: Date;
}

/**
 * The statement that moves the checkpoint, as part of a flight. When the lane may not move, the
 * statement fails and says why: see `throwUnlessAdvanced`.
 * @throws RangeError when the checkpoint would go back
 */
export function advanceStatement(id: LaneId, epoch: bigint, advance: Advance): FlightStatement {
  return {
    name: 'checkpoint-advance-flight',
    text: `select memfleet.in_flight(), ${MOVE}`,
    values: valuesOf(id, epoch, advance),
  };
}

/** The same as a single statement, or in a transaction that waits for each answer. */
export async function advanceCheckpoint(
  db: Queryable,
  id: LaneId,
  epoch: bigint,
  advance: Advance,
): Promise<void> {
  await db.query({
    name: 'checkpoint-advance',
    text: `select ${MOVE}`,
    values: valuesOf(id, epoch, advance),
  });
}

const MOVE = 'memfleet.move_checkpoint($1, $2, $3, $4, $5, $6, $7, $8, $9)';
/** SQLSTATE of a checkpoint that was not moved. */
const REFUSED = 'MF001';

/** What the refusing statement saw, under the lock of the row. */
interface Refusal {
  /** Null when the lane is gone. */
  readonly epoch: string | null;
  readonly position: number | null;
  /** The hold that is in force, if one is. */
  readonly heldAt: number | null;
}

/**
 * Reads from a refusal why the checkpoint was not moved. It is no error when an earlier transaction,
 * whose answer was lost, had moved it already. The row is not read a second time: it may hold another
 * hold by now, which says nothing about the events before it.
 * @throws LaneLost, LaneHeld; the error itself when it is no refusal
 */
export function throwUnlessAdvanced(error: unknown, epoch: bigint, { from, to }: Advance): void {
  if (!(error instanceof Error) || sqlState(error) !== REFUSED) throw error;
  const { detail } = error as { detail?: string };
  const seen = JSON.parse(detail ?? '{}') as Refusal;
  if (seen.epoch === epoch.toString()) {
    if (seen.position === to) return;
    if (seen.position === from && seen.heldAt != null && seen.heldAt < to) {
      throw new LaneHeld(seen.heldAt);
    }
  }
  throw new LaneLost(`the lane was taken over at position ${seen.position ?? 'unknown'}`);
}

function valuesOf(
  { projection, generation, lane }: LaneId,
  epoch: bigint,
  { from, to, streamCreated, eventDigest, eventTime }: Advance,
): (string | number | Buffer)[] {
  if (to < from) throw new RangeError(`a checkpoint at ${from} cannot go back to ${to}`);
  return [
    projection,
    generation,
    lane,
    epoch.toString(),
    from,
    to,
    streamCreated,
    eventDigest,
    eventTime.toISOString(),
  ];
}

/** Makes sure that the lane is ours until the transaction ends, without moving it. @throws LaneLost */
export async function lockCheckpoint(
  client: Queryable,
  { projection, generation, lane }: LaneId,
  epoch: bigint,
): Promise<void> {
  const { rowCount } = await client.query({
    name: 'checkpoint-lock',
    text: `select from memfleet.checkpoints
      where projection = $1 and generation = $2 and lane = $3 and epoch = $4 for update`,
    values: [projection, generation, lane, epoch.toString()],
  });
  if (rowCount !== 1) throw new LaneLost('the lane has a newer owner, or is gone');
}

/** Whether the lane may move on to this position. */
export async function mayAdvance(
  db: Queryable,
  { projection, generation, lane }: LaneId,
  to: number,
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'checkpoint-held',
    text: `select from memfleet.checkpoints
      where projection = $1 and generation = $2 and lane = $3
        and hold_at < $4 and hold_until >= clock_timestamp()`,
    values: [projection, generation, lane, to],
  });
  return rowCount === 0;
}
