import type { LaneId } from '@memfleet/projections';
import { type Queryable, sqlState } from '@memfleet/runtime';

/** How far a lane is, and by what to recognise the log it has read. */
export interface Checkpoint {
  readonly position: number;
  /** Null until something was read. */
  readonly streamCreated: string | null;
  readonly eventDigest: Buffer | null;
}

/** Somebody with a higher epoch has the lane: nothing of this batch may stand. */
export class LaneLost extends Error {
  override readonly name = 'LaneLost';
}

/** Somebody compares generations at this position: the lane may come up to it, and no further. */
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

interface HoldRow {
  epoch: string;
  position: string;
  hold_at: string | null;
  held: boolean;
}

/**
 * Stamps the lane's row with our epoch and reads it. Whoever held the lane before either has
 * committed by now, and we read what it wrote, or will find its epoch gone.
 * @throws LaneLost when a higher epoch stands there
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
 * Moves the checkpoint, inside the transaction that writes what lies between.
 * @returns false when it stands there already: the transaction was committed before, and only its
 * answer was lost
 * @throws LaneLost, LaneHeld
 */
export async function advanceCheckpoint(
  client: Queryable,
  id: LaneId,
  epoch: bigint,
  advance: Advance,
): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'checkpoint-advance',
    text: `update memfleet.checkpoints
      set position = $6, stream_created = $7, event_digest = $8, event_time = $9, updated_at = now()
      where projection = $1 and generation = $2 and lane = $3 and epoch = $4 and position = $5
        and (hold_at is null or hold_at >= $6 or hold_until < clock_timestamp())`,
    values: valuesOf(id, epoch, advance),
  });
  if (rowCount === 1) return true;
  await explainStandstill(client, id, epoch, advance);
  return false;
}

/** What `advanceOrFail` needs to see: that the transaction has begun. */
export const BEGIN_FLIGHT = `begin; set local memfleet.flight = 'on'`;
const NOT_ADVANCED = 'MF001';

/** The same as a statement that fails when it cannot: nobody waits for what it says. */
export async function advanceOrFail(
  client: Queryable,
  id: LaneId,
  epoch: bigint,
  advance: Advance,
): Promise<void> {
  await client.query({
    name: 'checkpoint-advance-or-fail',
    text: 'select memfleet.advance_checkpoint($1, $2, $3, $4, $5, $6, $7, $8, $9)',
    values: valuesOf(id, epoch, advance),
  });
}

export function isNotAdvanced(error: unknown): boolean {
  return sqlState(error) === NOT_ADVANCED;
}

function valuesOf(
  { projection, generation, lane }: LaneId,
  epoch: bigint,
  { from, to, streamCreated, eventDigest, eventTime }: Advance,
): unknown[] {
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
    eventTime,
  ];
}

/**
 * Why the checkpoint could not be moved; nothing when it stands there already.
 * @throws LaneLost, LaneHeld
 */
export async function explainStandstill(
  db: Queryable,
  id: LaneId,
  epoch: bigint,
  { from, to }: Advance,
): Promise<void> {
  const row = await readCheckpoint(db, id);
  if (row?.epoch === epoch.toString()) {
    if (Number(row.position) === to) return;
    // Between the two statements it may have been let go: the next try will show.
    if (Number(row.position) === from) throw new LaneHeld(Number(row.hold_at ?? from));
  }
  throw new LaneLost(`the lane was taken over at position ${row?.position ?? 'unknown'}`);
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
export async function mayAdvance(db: Queryable, id: LaneId, to: number): Promise<boolean> {
  const row = await readCheckpoint(db, id);
  return row === undefined || !row.held || Number(row.hold_at) >= to;
}

async function readCheckpoint(
  db: Queryable,
  { projection, generation, lane }: LaneId,
): Promise<HoldRow | undefined> {
  const { rows } = await db.query<HoldRow>({
    name: 'checkpoint-read',
    text: `select epoch, position, hold_at,
        coalesce(hold_until > clock_timestamp(), false) as held
      from memfleet.checkpoints where projection = $1 and generation = $2 and lane = $3`,
    values: [projection, generation, lane],
  });
  return rows[0];
}
