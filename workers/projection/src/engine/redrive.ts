import { messageAt } from '@memfleet/events';
import type { LaneId, ProjectionWriter } from '@memfleet/projections';
import {
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

/** How often a lane asks whether parked memories are to be tried again, and looks at its row. */
const LOOK_MS = 500;
/** Then the next batch of the log has its turn: what is new must not stand still. */
const TURN_MS = 500;
/** Memories that are asked about at once; far more than are tried again in a turn. */
const MEMORIES = 1_000;
/** Events of one memory in one transaction. */
const CHUNK = 500;

interface Key {
  readonly tenant: string;
  readonly memory: string;
}

interface Request extends Key {
  /** As PostgreSQL writes it, so that no digit is lost: tells this request from a later one. */
  readonly requestedAt: string;
}

/**
 * Tries parked memories again when somebody asks for it: their events are read from the log and
 * applied in its order, under the lane's own epoch and between two of its batches, so that nothing
 * overtakes them. Guards being log positions, they end as if they had never waited.
 */
export class Redriver {
  readonly #options: RedriverOptions;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #asked: readonly Request[] = [];

  constructor(options: RedriverOptions) {
    this.#options = options;
  }

  /**
   * Whether something is to be done; asks now and then, and may do so while a batch is written.
   * @param standsAt the lane's position when no batch is: a database that lost its last commits, by a
   *   crash or to a standby, has set the row back, and nothing else shows it while nothing is written
   * @throws LaneLost when the row does not say so
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

  /** Does what is asked for; only while no batch of the lane is under way. @throws LaneLost */
  async run(): Promise<void> {
    const { parked, signal, onRedriven } = this.#options;
    const until = performance.now() + TURN_MS;
    for (const request of this.#asked) {
      // What is left will be asked for again.
      if (signal.aborted || performance.now() > until) return;
      const { applied, culprit } = await this.#redrive(request);
      parked.redriven(request.tenant, request.memory, culprit);
      onRedriven(applied);
      await this.#conclude(request, applied, culprit);
    }
  }

  /** Says what came of it, under the epoch as everything else. @throws LaneLost */
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

  /** One memory, from the first event that waits; stops at one that still cannot be applied. */
  async #redrive(key: Key): Promise<{ applied: number; culprit: Culprit | undefined }> {
    const { id, pool } = this.#options;
    let applied = 0;
    for (;;) {
      const sequences = await waiting(pool, id, key);
      if (sequences.length === 0) return { applied, culprit: undefined };
      const events = await this.#read(sequences);
      const culprit = await this.#apply(key, events, sequences.at(-1) ?? 0);
      applied += events.filter(({ sequence }) => sequence < (culprit?.sequence ?? Infinity)).length;
      if (culprit !== undefined) return { applied, culprit };
    }
  }

  /** What was erased from the log has no effect any more. */
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
   * Applies events up to the first that fails; when rows are refused, halves, down to it.
   * @returns the one that is to blame
   */
  async #apply(key: Key, events: readonly ReadEvent[], upTo: number): Promise<Culprit | undefined> {
    const bad = events.findIndex(({ reading }) => !canApply(reading.kind));
    const first = events[bad];
    if (first !== undefined && 'reason' in first.reading) {
      const before = events.slice(0, bad);
      const culprit = { sequence: first.sequence, reason: first.reading.reason };
      return (await this.#apply(key, before, first.sequence - 1)) ?? culprit;
    }
    try {
      await this.#transact(key, events, upTo);
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
        (await this.#apply(key, half, half.at(-1)?.sequence ?? 0)) ??
        (await this.#apply(key, events.slice(middle), upTo))
      );
    }
  }

  async #transact(key: Key, events: readonly ReadEvent[], upTo: number): Promise<void> {
    const { id, epoch, pool, writer, signal, onRetry } = this.#options;
    // A lost answer to the commit does no harm: the same events end the same.
    const batch = makeBatch(events, writer, new ParkedKeys());
    await retryTransient(
      () =>
        transaction(pool, async (client) => {
          await lockCheckpoint(client, id, epoch);
          await batch.rows.write(client);
          await client.query({
            name: 'parked-applied',
            text: `delete from memfleet.parked_events where projection = $1 and generation = $2
              and tenant = $3 and memory = $4 and sequence <= $5`,
            values: [id.projection, id.generation, key.tenant, key.memory, upTo],
          });
        }),
      { signal, onRetry },
    );
  }
}

function canApply(kind: ReadEvent['reading']['kind']): boolean {
  return kind === 'operations' || kind === 'irrelevant';
}

interface Look {
  /** Where the lane stands; undefined when it is gone. */
  readonly row: { readonly epoch: string; readonly position: number } | undefined;
  readonly requests: Request[];
}

async function look(db: Queryable, { projection, generation, lane }: LaneId): Promise<Look> {
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

async function waiting(
  db: Queryable,
  { projection, generation }: LaneId,
  { tenant, memory }: Key,
): Promise<number[]> {
  const { rows } = await db.query<{ sequence: string }>({
    name: 'parked-waiting',
    text: `select sequence from memfleet.parked_events
      where projection = $1 and generation = $2 and tenant = $3 and memory = $4
      order by sequence limit $5`,
    values: [projection, generation, tenant, memory, CHUNK],
  });
  return rows.map(({ sequence }) => Number(sequence));
}

/** The first that waits bears the reason, the others its position. */
async function rename(
  db: Queryable,
  { projection, generation }: LaneId,
  { tenant, memory }: Key,
  { sequence, reason }: Culprit,
): Promise<void> {
  await db.query({
    name: 'parked-again',
    text: `update memfleet.parked_events
      set reason = case when sequence = $5 then $6 else concat('waits for ', $5::bigint) end
      where projection = $1 and generation = $2 and tenant = $3 and memory = $4`,
    values: [projection, generation, tenant, memory, sequence, storableReason(reason)],
  });
}

/** Ends this request; one that was made meanwhile asks for another try, and stands. */
async function finish(
  db: Queryable,
  { projection, generation }: LaneId,
  { tenant, memory, requestedAt }: Request,
  applied: number,
  culprit: Culprit | undefined,
): Promise<void> {
  await db.query({
    name: 'redrive-finished',
    text: `update memfleet.parked_redrives set finished_at = now(), applied = $5, reason = $6
      where projection = $1 and generation = $2 and tenant = $3 and memory = $4
        and requested_at = $7::timestamptz`,
    values: [
      projection,
      generation,
      tenant,
      memory,
      applied,
      culprit && storableReason(`position ${culprit.sequence}: ${culprit.reason}`),
      requestedAt,
    ],
  });
}
