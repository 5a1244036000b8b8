import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { inFlight, type LaneId, type ProjectionWriter, runBound } from '@memfleet/projections';
import {
  crashPoint,
  type Delivery,
  flight,
  type FlightStatement,
  messageOf,
  type Pool,
  retryTransient,
  sqlState,
  transaction,
  UnwritableValue,
} from '@memfleet/runtime';
import { type Batch, isFaultOfEvents, makeBatch } from './batch.ts';
import {
  type Advance,
  advanceCheckpoint,
  advanceStatement,
  LaneHeld,
  mayAdvance,
  throwUnlessAdvanced,
} from './checkpoint.ts';
import { BrokenDelivery } from './feed.ts';
import { type ParkedKeys, parkingStatement } from './parked-keys.ts';
import type { LaneEvent } from './read-event.ts';

export interface CommitterOptions {
  readonly id: LaneId;
  readonly epoch: bigint;
  readonly pool: Pool;
  readonly writer: ProjectionWriter;
  readonly parked: ParkedKeys;
  readonly streamCreated: string;
  /** The lane's position when the session begins. */
  readonly position: number;
  /** Reads an event a second time, which only a batch that is split needs. */
  readonly read: (message: Delivery) => LaneEvent;
  /** The event that the log holds at a position; null when it was erased. */
  readonly readLog: (position: number) => Promise<StoredEvent | null>;
  /** True while nobody reads these tables. */
  readonly isBackground: () => boolean;
  /** Ends the retries. */
  readonly signal: AbortSignal;
  readonly onRetry: (error: unknown) => void;
  /** Called when the lane is held and waits. */
  readonly onHeld: () => void;
}

export interface StoredEvent {
  readonly data: Uint8Array;
  readonly time: Date;
}

/** How often a held lane asks whether it may continue. */
const HELD_MS = 20;

export interface Committed {
  readonly applied: number;
  readonly parked: number;
}

/**
 * Writes batches, one transaction each: checkpoint, rows, parked events. It distinguishes a failing
 * event from a failing database.
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

  /**
   * Folds and encodes events, which may overlap the previous transaction. Of the events only their
   * bytes are kept until then: see `readBatch`.
   */
  prepare(events: readonly LaneEvent[]): Prepared {
    const { writer, parked } = this.#options;
    const messages = events.map(({ message }) => message);
    try {
      return { messages, batch: makeBatch(events, writer, parked) };
    } catch (error) {
      if (!(error instanceof UnwritableValue)) throw error;
      return { messages, refusal: error };
    }
  }

  #prepareAgain(messages: readonly Delivery[]): Prepared {
    return this.prepare(messages.map((message) => this.#options.read(message)));
  }

  /**
   * Commits a batch. When the database refuses its rows, commits its halves, down to the event that is
   * to blame. A lane that is held stops at the hold, even in the middle of a batch, and waits there.
   * @throws LaneLost, BrokenDelivery when the signal ends the wait, or what is wrong with the database
   */
  async commit(prepared: Prepared): Promise<Committed> {
    const { messages } = prepared;
    try {
      return await this.#transact(messages, this.#batchOf(prepared));
    } catch (error) {
      if (error instanceof LaneHeld) return await this.#commitHeld(messages, error);
      if (!isFaultOfEvents(error)) throw error;
      return await this.#commitApart(messages, error);
    }
  }

  /** Makes the batch again when more memories are parked since. @throws UnwritableValue */
  #batchOf({ messages, batch, refusal }: Prepared): Batch {
    const { parked, read, writer } = this.#options;
    if (refusal !== undefined) throw refusal;
    if (batch?.parkedVersion === parked.version) return batch;
    return makeBatch(
      messages.map((message) => read(message)),
      writer,
      parked,
    );
  }

  /**
   * Skips positions that are known to hold nothing for this lane, up to `position` or to an earlier
   * hold. @throws LaneLost
   */
  async skipTo(position: number): Promise<void> {
    let upTo = position;
    for (;;) {
      try {
        await this.#skipTo(upTo);
        return;
      } catch (error) {
        if (!(error instanceof LaneHeld)) throw error;
        // A hold refuses only positions beyond it. A later hold may be lower still, down to the lane's
        // own position.
        upTo = error.position;
      }
    }
  }

  async #skipTo(position: number): Promise<void> {
    if (position <= this.#position) return;
    const { id, epoch, pool, streamCreated, readLog } = this.#options;
    const stored = await readLog(position);
    if (stored === null) return;
    const advance = {
      from: this.#position,
      to: position,
      streamCreated,
      eventDigest: digestOf(stored.data),
      eventTime: stored.time,
    };
    try {
      await advanceCheckpoint(pool, id, epoch, advance);
    } catch (error) {
      throwUnlessAdvanced(error, epoch, advance);
    }
    this.#position = position;
  }

  /** Commits up to the hold, waits, then commits the rest. */
  async #commitHeld(messages: readonly Delivery[], { position }: LaneHeld): Promise<Committed> {
    const { id, pool, signal, onRetry, onHeld } = this.#options;
    const upTo = messages.filter(({ seq }) => seq <= position);
    const rest = messages.slice(upTo.length);
    const before = await this.commit(this.#prepareAgain(upTo));
    const next = rest.at(0);
    if (next === undefined) return before;
    // Events come in order, and this lane's next one is beyond the hold: there is none in between.
    await this.skipTo(position);
    onHeld();
    while (!(await retryTransient(() => mayAdvance(pool, id, next.seq), { signal, onRetry }))) {
      if (signal.aborted) throw new BrokenDelivery(`stopped while held at position ${position}`);
      await delay(HELD_MS);
    }
    const after = await this.commit(this.#prepareAgain(rest));
    return { applied: before.applied + after.applied, parked: before.parked + after.parked };
  }

  async #commitApart(messages: readonly Delivery[], error: unknown): Promise<Committed> {
    const [first] = messages;
    if (messages.length === 1 && first !== undefined) {
      const { parked, read } = this.#options;
      const { tenant, memory, sequence, reading } = read(first);
      // No row of it was to be written: what was refused is not its own, and would be refused again.
      if (
        reading.kind !== 'operations' ||
        parked.reasonFor(tenant, memory, sequence) !== undefined
      ) {
        throw error;
      }
      const reason = `the row was refused: ${messageOf(error)}`;
      parked.addLate(tenant, memory, { sequence, reason });
      return await this.commit(this.#prepareAgain(messages));
    }
    const middle = Math.ceil(messages.length / 2);
    const before = await this.commit(this.#prepareAgain(messages.slice(0, middle)));
    const after = await this.commit(this.#prepareAgain(messages.slice(middle)));
    return { applied: before.applied + after.applied, parked: before.parked + after.parked };
  }

  async #transact(messages: readonly Delivery[], batch: Batch): Promise<Committed> {
    const { streamCreated, signal, onRetry } = this.#options;
    const { parking } = batch;
    const last = messages.at(-1);
    if (last === undefined) return { applied: 0, parked: 0 };
    const advance = {
      from: this.#position,
      to: last.seq,
      streamCreated,
      eventDigest: digestOf(last.data),
      eventTime: new Date(last.info.timestampNanos / 1_000_000),
    };
    await retryTransient(() => this.#write(batch, advance), { signal, onRetry });
    crashPoint('after-commit');
    this.#position = last.seq;
    return { applied: messages.length - parking.length, parked: parking.length };
  }

  /** Writes in one flight, unless a row turns out to exist already. @throws LaneLost, LaneHeld */
  async #write(batch: Batch, advance: Advance): Promise<void> {
    const { fresh } = batch.rows;
    try {
      if (fresh === undefined) await this.#writeInSteps(batch, advance);
      else await this.#writeAtOnce(batch, fresh, advance);
    } catch (error) {
      throwUnlessAdvanced(error, this.#options.epoch, advance);
    }
  }

  async #writeAtOnce(
    batch: Batch,
    fresh: readonly FlightStatement[],
    advance: Advance,
  ): Promise<void> {
    const { id, epoch, pool, isBackground } = this.#options;
    const statements = [
      advanceStatement(id, epoch, advance),
      ...fresh,
      ...parkingStatement(id, batch.parking).map(inFlight),
    ];
    try {
      await flight(pool, statements, {
        ...(isBackground() ? { settings: LAZILY } : {}),
        beforeCommit: () => crashPoint('before-commit'),
      });
    } catch (error) {
      if (sqlState(error) !== NOT_FRESH) throw error;
      await this.#writeInSteps(batch, advance);
    }
  }

  async #writeInSteps({ rows, parking }: Batch, advance: Advance): Promise<void> {
    const { id, epoch, pool, isBackground } = this.#options;
    await transaction(pool, async (client) => {
      if (isBackground()) await client.query(LAZILY);
      await advanceCheckpoint(client, id, epoch, advance);
      await rows.write(client);
      for (const statement of parkingStatement(id, parking)) await runBound(client, statement);
      crashPoint('before-commit');
    });
  }
}

/** Nobody reads these tables, so a crash may lose the last transactions, rows and checkpoint alike. */
const LAZILY = 'set local synchronous_commit = off';
/** SQLSTATE of a batch some of whose rows existed before. */
const NOT_FRESH = 'MF002';

export interface Prepared {
  readonly messages: readonly Delivery[];
  readonly batch?: Batch;
  /** Why there is no batch: one of its rows cannot be written. */
  readonly refusal?: UnwritableValue;
}

export function digestOf(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
