import { messageAt } from '@memfleet/events';
import type { LaneId, ProjectionWriter } from '@memfleet/projections';
import {
  bigintArray,
  type JetStreamManager,
  messageOf,
  type Pool,
  type Queryable,
  retryTransient,
  transaction,
} from '@memfleet/runtime';
import { isFaultOfEvents, makeBatch } from './batch.ts';
import { LaneLost, lockCheckpoint } from './checkpoint.ts';
import { type Culprit, ParkedKeys, storableReason } from './parked-keys.ts';
import type { EventReader, ReadEvent } from './read-event.ts';
import { finish, type Key, look, type Request } from './redrive-requests.ts';

export interface RedriverOptions {
  readonly id: LaneId;
  readonly epoch: bigint;
  readonly pool: Pool;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly reader: EventReader;
  readonly writer: ProjectionWriter;
  readonly parked: ParkedKeys;
  readonly signal: AbortSignal;
  readonly onRetry: (error: unknown) => void;
  /** How many events of a memory were applied, whether or not some are parked still. */
  readonly onRedriven: (applied: number) => void;
}

/** How often a lane asks whether somebody requested a redrive, and checks its row. */
const LOOK_MS = 500;
/** After this time the next batch of the log has its turn: new events must not wait long. */
const TURN_MS = 500;
/** Events of one memory in one transaction. */
const CHUNK = 500;

/** Events of one memory that are tried together. */
interface Chunk extends Key {
  /** Positions of all parked events, including those that the log no longer has. */
  readonly sequences: readonly number[];
}

/**
 * Retries parked memories on request. It reads their events from the log and applies them in its
 * order, under the lane's own epoch and between two of its batches, so that nothing overtakes them.
 * Since guards are log positions, the rows end as if the events had never waited.
 */
export class Redriver {
  readonly #options: RedriverOptions;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #asked: readonly Request[] = [];

  constructor(options: RedriverOptions) {
    this.#options = options;
  }

  /**
   * Whether a redrive is requested; asks now and then, also while a batch is being written.
   * @param standsAt the lane's position while no batch runs: a database that lost its last commits, by a
   *   crash or to a standby, has set the row back, and nothing else shows that while nothing is written
   * @throws LaneLost when the row has another position
   */
  async isAsked(standsAt?: number): Promise<boolean> {
    if (performance.now() - this.#lookedAt < LOOK_MS) return false;
    this.#lookedAt = performance.now();
    const { id, epoch, pool, signal, onRetry } = this.#options;
    const { row, requests } = await retryTransient(() => look(pool, id), { signal, onRetry });
    if (standsAt !== undefined && (row?.epoch !== epoch.toString() || row.position !== standsAt)) {
      const found = row === undefined ? 'gone' : `at ${row.position}, epoch ${row.epoch}`;
      throw new LaneLost(`the lane stood at ${standsAt}, epoch ${epoch}, and its row is ${found}`);
    }
    this.#asked = requests;
    return requests.length > 0;
  }

  /** Runs the requested redrives; call it only while no batch of the lane runs. @throws LaneLost */
  async run(): Promise<void> {
    const { parked, signal, onRedriven } = this.#options;
    const until = performance.now() + TURN_MS;
    for (const request of this.#asked) {
      // The next look finds the requests that are left.
      if (signal.aborted || performance.now() > until) return;
      const { applied, culprit } = await this.#redrive(request);
      parked.redriven(request.tenant, request.memory, culprit);
      onRedriven(applied);
      await this.#conclude(request, applied, culprit);
    }
  }

  /** Records the outcome, under the epoch like everything else. @throws LaneLost */
  async #conclude(request: Request, applied: number, culprit: Culprit | undefined): Promise<void> {
    const { id, epoch, pool, signal, onRetry } = this.#options;
    await retryTransient(
      () =>
        transaction(pool, async (client) => {
          await lockCheckpoint(client, id, epoch);
          if (culprit !== undefined) await rename(client, id, request, culprit);
          await finish(client, id, request, applied, culprit);
        }),
      { signal, onRetry },
    );
  }

  /**
   * Redrives one memory from its first waiting event, up to one that still cannot be applied. The key that
   * collects events without a memory also has events of other lanes, which only those lanes may try.
   */
  async #redrive(key: Key): Promise<{ applied: number; culprit: Culprit | undefined }> {
    const { id, pool } = this.#options;
    let applied = 0;
    for (;;) {
      const sequences = await waiting(pool, id, key);
      if (sequences.length === 0) return { applied, culprit: undefined };
      const events = await this.#read(sequences);
      const chunk = { ...key, sequences };
      const culprit = await this.#apply(chunk, events, sequences.at(-1) ?? 0);
      applied += events.filter(({ sequence }) => sequence < (culprit?.sequence ?? Infinity)).length;
      if (culprit !== undefined) return { applied, culprit };
    }
  }

  /** Events that were erased from the log have no effect any more. */
  async #read(sequences: readonly number[]): Promise<ReadEvent[]> {
    const { jsm, stream, reader } = this.#options;
    const events: ReadEvent[] = [];
    for (const seq of sequences) {
      const stored = await messageAt(jsm, stream, { seq });
      if (stored !== null) events.push(reader.read(stored));
    }
    return events;
  }

  /**
   * Applies events up to the first that fails. When the database refuses rows, applies halves, down to
   * the failing event.
   * @returns the event that is to blame
   */
  async #apply(
    chunk: Chunk,
    events: readonly ReadEvent[],
    upTo: number,
  ): Promise<Culprit | undefined> {
    const bad = events.findIndex(({ reading }) => !canApply(reading.kind));
    const first = events[bad];
    if (first !== undefined && 'reason' in first.reading) {
      const before = events.slice(0, bad);
      const culprit = { sequence: first.sequence, reason: first.reading.reason };
      return (await this.#apply(chunk, before, first.sequence - 1)) ?? culprit;
    }
    try {
      await this.#transact(chunk, events, upTo);
      return undefined;
    } catch (error) {
      const [only] = events;
      if (!isFaultOfEvents(error) || only === undefined) throw error;
      if (events.length === 1) {
        return { sequence: only.sequence, reason: `the row was refused: ${messageOf(error)}` };
      }
      const middle = Math.ceil(events.length / 2);
      const half = events.slice(0, middle);
      return (
        (await this.#apply(chunk, half, half.at(-1)?.sequence ?? 0)) ??
        (await this.#apply(chunk, events.slice(middle), upTo))
      );
    }
  }

  async #transact(chunk: Chunk, events: readonly ReadEvent[], upTo: number): Promise<void> {
    const { id, epoch, pool, writer, signal, onRetry } = this.#options;
    // A lost answer to the commit does no harm: applying the same events again changes nothing.
    const batch = makeBatch(events, writer, new ParkedKeys());
    const done = chunk.sequences.filter((sequence) => sequence <= upTo);
    await retryTransient(
      () =>
        transaction(pool, async (client) => {
          await lockCheckpoint(client, id, epoch);
          await batch.rows.write(client);
          await client.query({
            name: 'parked-applied',
            text: `delete from memfleet.parked_events where projection = $1 and generation = $2
              and lane = $3 and tenant = $4 and memory = $5 and sequence = any ($6::bigint[])`,
            values: [
              id.projection,
              id.generation,
              id.lane,
              chunk.tenant,
              chunk.memory,
              bigintArray(done),
            ],
          });
        }),
      { signal, onRetry },
    );
  }
}

function canApply(kind: ReadEvent['reading']['kind']): boolean {
  return kind === 'operations' || kind === 'irrelevant';
}

async function waiting(
  db: Queryable,
  { projection, generation, lane }: LaneId,
  { tenant, memory }: Key,
): Promise<number[]> {
  const { rows } = await db.query<{ sequence: string }>({
    name: 'parked-waiting',
    text: `select sequence from memfleet.parked_events
      where projection = $1 and generation = $2 and lane = $3 and tenant = $4 and memory = $5
      order by sequence limit $6`,
    values: [projection, generation, lane, tenant, memory, CHUNK],
  });
  return rows.map(({ sequence }) => Number(sequence));
}

/** The first waiting event gets the reason, the others get its position. */
async function rename(
  db: Queryable,
  { projection, generation, lane }: LaneId,
  { tenant, memory }: Key,
  { sequence, reason }: Culprit,
): Promise<void> {
  await db.query({
    name: 'parked-again',
    text: `update memfleet.parked_events
      set reason = case when sequence = $6 then $7 else concat('waits for ', $6::bigint) end
      where projection = $1 and generation = $2 and lane = $3 and tenant = $4 and memory = $5`,
    values: [projection, generation, lane, tenant, memory, sequence, storableReason(reason)],
  });
}
