import type { Client, Pool } from '@memfleet/runtime';
import { laneStatus } from '../lane-status.ts';
import { compareTables, type TableComparison } from './compare.ts';
import { RebuildError } from './errors.ts';
import { allHeld, type Hold, holdLanes, releaseLanes } from './hold.ts';
import { liveAndNext } from './pair.ts';

export interface Verification {
  readonly projection: string;
  readonly live: { readonly generation: number; readonly version: number };
  readonly next: { readonly generation: number; readonly version: number };
  /** The position of the log at which both were compared. */
  readonly position: number;
  /** Every table has the same rows. Two versions need not be equal. */
  readonly equal: boolean;
  readonly tables: readonly TableComparison[];
  /** Parked events of each; they are missing from its tables. */
  readonly parkedEvents: { readonly live: number; readonly next: number };
}

export interface VerifyOptions {
  readonly signal: AbortSignal;
  /** The most events the next generation may be behind: the live one has to wait for them. */
  readonly maxLag: number;
  /** After this time the lanes continue by themselves, should this process die. */
  readonly holdMs?: number;
  readonly onTable?: (table: string) => void;
}

/**
 * Compares the next generation with the live one at one position of the log. All lanes of both are held
 * until both snapshots are taken, which takes milliseconds; hashing goes on after they are released.
 * @throws RebuildError when they cannot be brought to one position
 */
export async function verifyNext(
  pool: Pool,
  projection: string,
  { signal, maxLag, holdMs = 10_000, onTable = () => undefined }: VerifyOptions,
): Promise<Verification> {
  const { live, next } = await liveAndNext(pool, projection);
  const generations = [live.generation, next.generation];
  await checkMoving(pool, projection, generations, maxLag);
  const clients = await Promise.all([pool.connect(), pool.connect()]);
  const [first, second] = clients;
  try {
    const hold = await holdLanes(pool, projection, generations, holdMs);
    let seenAt: string;
    try {
      await allHeld(pool, hold, { limitMs: holdMs * 0.8, signal });
      seenAt = await openSnapshots(first, second);
      await checkHeld(first, hold);
    } finally {
      await releaseLanes(pool, hold);
    }
    const tables = await compareTables(
      projection,
      { client: first, generation: live.generation },
      { client: second, generation: next.generation },
      onTable,
    );
    const equal = tables.every((table) => table.equal && table.otherColumns.length === 0);
    const { position } = hold;
    await recordVerification(pool, { projection, live, next, position, equal }, seenAt);
    const parkedEvents = await parkedIn(first, projection, generations);
    return {
      projection,
      live: { generation: live.generation, version: live.version },
      next: { generation: next.generation, version: next.version },
      position,
      equal,
      tables,
      parkedEvents,
    };
  } finally {
    // Ends the snapshots and forgets their settings.
    for (const client of clients) client.release(true);
  }
}

/** The lanes are not held for a generation that does not advance. */
async function checkMoving(
  pool: Pool,
  projection: string,
  generations: readonly number[],
  maxLag: number,
): Promise<void> {
  const lanes = (await laneStatus(pool)).filter(
    (lane) => lane.projection === projection && generations.includes(lane.generation),
  );
  const stuck = lanes.find(({ state }) => state === 'unowned' || state === 'halted');
  if (stuck !== undefined) {
    throw new RebuildError(
      `generation ${stuck.generation} of ${projection} does not move: lane ${stuck.lane} is ${stuck.state}, ${stuck.cause}`,
      'Both must be running to be compared at one position.',
    );
  }
  const positions = lanes.map(({ position }) => position);
  const lag = Math.max(...positions) - Math.min(...positions);
  if (lag > maxLag) {
    throw new RebuildError(
      `the generations of ${projection} are ${lag} events apart, more than ${maxLag}`,
      `Wait until \`memfleet projection rebuild ${projection}\` says that it has caught up.`,
    );
  }
}

/**
 * Opens the same snapshot on two connections, for as long as the comparison takes.
 * @returns the time of the snapshot, as PostgreSQL writes it
 */
async function openSnapshots(first: Client, second: Client): Promise<string> {
  for (const client of [first, second]) {
    // A row's text depends on the session's time zone and on its digits for numbers.
    await client.query(
      `set timezone to 'UTC'; set extra_float_digits = 1; set statement_timeout = 0`,
    );
    await client.query('set idle_in_transaction_session_timeout = 0');
    await client.query('begin isolation level repeatable read, read only');
  }
  const { rows } = await first.query<{ snapshot: string; now: string }>(
    'select pg_export_snapshot() as snapshot, now()::text as now',
  );
  const { snapshot, now } = rows[0] ?? { snapshot: '', now: '' };
  await second.query(`set transaction snapshot '${snapshot.replaceAll("'", '')}'`);
  return now;
}

/** The hold may have run out before the snapshots were taken. */
async function checkHeld(client: Client, hold: Hold): Promise<void> {
  await allHeld(client, hold, { limitMs: 0, signal: new AbortController().signal });
}

async function parkedIn(
  client: Client,
  projection: string,
  [live, next]: readonly number[],
): Promise<Verification['parkedEvents']> {
  const { rows } = await client.query<{ live: number; next: number }>(
    `select count(*) filter (where generation = $2)::int as live,
        count(*) filter (where generation = $3)::int as next
      from memfleet.parked_events where projection = $1`,
    [projection, live, next],
  );
  return rows[0] ?? { live: 0, next: 0 };
}

/**
 * A promotion requires it. Tables of one version that differ do not justify a promotion. Of two concurrent
 * comparisons the one of the later tables counts, whichever ends first.
 * @param seenAt the time of the compared snapshot: a comparison may take hours
 */
async function recordVerification(
  pool: Pool,
  verification: Pick<Verification, 'projection' | 'live' | 'next' | 'position' | 'equal'>,
  seenAt: string,
): Promise<void> {
  const { projection, live, next, position, equal } = verification;
  const isGood = equal || live.version !== next.version;
  await pool.query(
    `update memfleet.projection_generations
      set verified_against = $3, verified_at = $4, verified_position = $5
      where projection = $1 and generation = $2
        and (verified_at is null or verified_at <= $4::timestamptz)`,
    [projection, next.generation, isGood ? live.generation : null, seenAt, position],
  );
}
