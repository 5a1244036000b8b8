import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { LaneId, ProjectionWriter } from '@memfleet/projections';
import {
  crashPoint,
  messageOf,
  type Pool,
  retryTransient,
  transaction,
  UnwritableValue,
} from '@memfleet/runtime';
import { type Batch, isFaultOfEvents, makeBatch } from './batch.ts';
import { advanceCheckpoint, LaneHeld, mayAdvance } from './checkpoint.ts';
import { BrokenDelivery } from './feed.ts';
import { type ParkedKeys, writeParked } from './parked-keys.ts';
import type { LaneEvent } from './read-event.ts';

export interface CommitterOptions {
  readonly id: LaneId;
  readonly epoch: bigint;
  readonly pool: Pool;
  readonly writer: ProjectionWriter;
  readonly parked: ParkedKeys;
  readonly streamCreated: string;
  /** Where the lane stands. */
  readonly position: number;
  /** What the log holds at a position; null when it was erased. */
  readonly readLog: (position: number) => Promise<StoredEvent | null>;
  /** Nobody reads these tables: a crash may take the last transactions along, rows and checkpoint. */
  readonly isBackground: () => boolean;
  /** Ends the retries. */
  readonly signal: AbortSignal;
  readonly onRetry: (error: unknown) => void;
  /** Told when the lane is held, and waits. */
  readonly onHeld: () => void;
}

export interface StoredEvent {
  readonly data: Uint8Array;
  readonly time: Date;
}

/** How often a lane that is held asks whether it may go on. */
const HELD_MS = 20;

export interface Committed {
  readonly applied: number;
  readonly parked: number;
}

/**
 * Writes batches, one transaction each: checkpoint, rows, parked events. It is where a failing event
 * is told from a failing database.
 */
export class Committer {
  readonly #options: CommitterOptions;
  #position: number;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#position = options.position;
  }

  get position(): number {
    return this.#position;
  }

  /** Folds and encodes; the work that may overlap the transaction before. */
  prepare(events: readonly LaneEvent[]): Prepared {
    const { writer, parked } = this.#options;
    try {
      return { events, batch: makeBatch(events, writer, parked) };
    } catch (error) {
      if (!(error instanceof UnwritableValue)) throw error;
      return { events, refusal: error };
    }
  }

  /**
   * Commits a batch; when rows of it are refused, its halves, down to the event that is to blame.
   * A lane that is held stops where it should in the midst of a batch, and waits there.
   * @throws LaneLost, BrokenDelivery when the signal ends the wait, or what is wrong with the database
   */
  async commit(prepared: Prepared): Promise<Committed> {
    const { parked } = this.#options;
    const { events } = prepared;
    try {
      if (prepared.refusal !== undefined) throw prepared.refusal;
      const { batch } = prepared;
      const isStale = batch === undefined || batch.parkedVersion !== parked.version;
      return await this.#transact(
        events,
        isStale ? makeBatch(events, this.#options.writer, parked) : batch,
      );
    } catch (error) {
      if (error instanceof LaneHeld) return await this.#commitHeld(events, error);
      if (!isFaultOfEvents(error)) throw error;
      return await this.#commitApart(events, error);
    }
  }

  /** Moves on over positions that hold nothing for this lane, as far as it may. @throws LaneLost */
  async skipTo(position: number): Promise<void> {
    try {
      await this.#skipTo(position);
    } catch (error) {
      if (!(error instanceof LaneHeld)) throw error;
      await this.#skipTo(error.position);
    }
  }

  async #skipTo(position: number): Promise<void> {
    if (position <= this.#position) return;
    const { id, epoch, pool, streamCreated, readLog } = this.#options;
    const stored = await readLog(position);
    if (stored === null) return;
    await advanceCheckpoint(pool, id, epoch, {
      from: this.#position,
      to: position,
      streamCreated,
      eventDigest: digestOf(stored.data),
      eventTime: stored.time,
    });
    this.#position = position;
  }

  /** Up to where it is held, then wait, then the rest. */
  async #commitHeld(events: readonly LaneEvent[], { position }: LaneHeld): Promise<Committed> {
    const { id, pool, signal, onRetry, onHeld } = this.#options;
    const first = events.findIndex(({ sequence }) => sequence > position);
    const rest = first === -1 ? [] : events.slice(first);
    const before = await this.commit(this.prepare(events.slice(0, events.length - rest.length)));
    // Events come in order: there is one beyond, so there is nothing more in between.
    await this.skipTo(position);
    onHeld();
    const to = rest.at(0)?.sequence ?? position;
    while (!(await retryTransient(() => mayAdvance(pool, id, to), { signal, onRetry }))) {
      if (signal.aborted) throw new BrokenDelivery(`stopped while held at position ${position}`);
      await delay(HELD_MS);
    }
    const after = await this.commit(this.prepare(rest));
    return { applied: before.applied + after.applied, parked: before.parked + after.parked };
  }

  async #commitApart(events: readonly LaneEvent[], error: unknown): Promise<Committed> {
    const [first] = events;
    if (events.length === 1 && first !== undefined) {
      const { tenant, memory, sequence } = first;
      const reason = `the row was refused: ${messageOf(error)}`;
      this.#options.parked.addLate(tenant, memory, { sequence, reason });
      return await this.commit(this.prepare(events));
    }
    const middle = Math.ceil(events.length / 2);
    const before = await this.commit(this.prepare(events.slice(0, middle)));
    const after = await this.commit(this.prepare(events.slice(middle)));
    return { applied: before.applied + after.applied, parked: before.parked + after.parked };
  }

  async #transact(events: readonly LaneEvent[], batch: Batch): Promise<Committed> {
    const { id, epoch, pool, streamCreated, signal, onRetry, isBackground } = this.#options;
    const { parking } = batch;
    const last = events.at(-1);
    if (last === undefined) return { applied: 0, parked: 0 };
    const advance = {
      from: this.#position,
      to: last.sequence,
      streamCreated,
      eventDigest: digestOf(last.message.data),
      eventTime: new Date(last.message.info.timestampNanos / 1_000_000),
    };
    await retryTransient(
      () =>
        transaction(pool, async (client) => {
          if (isBackground()) await client.query('set local synchronous_commit = off');
          if (!(await advanceCheckpoint(client, id, epoch, advance))) return;
          await batch.write(client);
          await writeParked(client, id, parking);
          crashPoint('before-commit');
        }),
      { signal, onRetry },
    );
    crashPoint('after-commit');
    this.#position = last.sequence;
    return { applied: events.length - parking.length, parked: parking.length };
  }
}

export interface Prepared {
  readonly events: readonly LaneEvent[];
  readonly batch?: Batch;
  /** Why there is no batch: a row of it cannot be written. */
  readonly refusal?: UnwritableValue;
}

export function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
