import { createHash } from 'node:crypto';
import { Batcher, type Queryable, raceAbort, SharedWaits, type Waiting } from '@memfleet/runtime';

/** A paid result, to be stored in the transaction that records it. */
export interface PaidResult {
  /** SHA-256 of everything the result depends on. */
  readonly key: Buffer;
  /** JSON. */
  readonly result: string;
}

/** Results kept in memory: until they are committed, and afterwards because equal content often repeats. */
const REMEMBERED = 1_024;

/** The key of a result: everything it depends on, in order. */
export function resultKey(...parts: readonly string[]): Buffer {
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}

interface Known {
  readonly result: string;
  /**
   * Whether it was read from the table. A result that was only made here may be lost: its event can go to
   * another worker before it is recorded. So every event that uses it stores it too.
   */
  readonly isStored: boolean;
}

/** An open question: its answer, and the waits of all events that need it. */
interface Asked {
  readonly result: Promise<Known>;
  readonly waits: SharedWaits;
}

export interface Resolved extends Known {
  /** It was free, or another event pays for it. */
  readonly cached: boolean;
}

/**
 * Results of paid calls by content. Equal content is paid for once: a result in the table is read from
 * there, and a call in progress is shared.
 */
export class ResultCache {
  readonly #reads: Batcher<Buffer, string | undefined>;
  readonly #asked = new Map<string, Asked>();
  readonly #remembered = new Map<string, Known>();

  /** Reads of up to `batch` keys that come within the linger share one round trip. */
  constructor(
    db: Queryable,
    options: { readonly batch: number; readonly lingerMs: number; readonly parallel?: number },
  ) {
    this.#reads = new Batcher({
      flush: (keys) => readResults(db, keys),
      size: options.batch,
      lingerMs: options.lingerMs,
      parallel: options.parallel ?? 3,
    });
  }

  /**
   * The result under the key: found, or made by `make`. One call serves all events that ask for the same
   * key meanwhile; when it ends because its own event was given up (`signal`), the next event asks. While
   * the call waits for the rate limit, which `make` records in its argument, all of them wait (`waits`).
   * @throws the call's error, for all events that wait for it; the signal's reason when it aborts
   */
  async resolve(
    key: Buffer,
    signal: AbortSignal,
    make: (waits: Waiting) => Promise<string>,
    waits?: Waiting,
  ): Promise<Resolved> {
    const name = key.toString('base64');
    for (;;) {
      signal.throwIfAborted();
      const known = this.#remembered.get(name);
      if (known !== undefined) return { ...known, cached: true };
      const asked = this.#asked.get(name);
      if (asked === undefined) return await this.#ask(key, name, signal, make, waits);
      const leave = waits && asked.waits.join(waits);
      const shared = await raceAbort(asked.result, signal)
        .catch((error: unknown) => {
          if (error instanceof GivenUp) return undefined;
          throw error;
        })
        .finally(leave);
      if (shared !== undefined) return { ...shared, cached: true };
    }
  }

  async #ask(
    key: Buffer,
    name: string,
    signal: AbortSignal,
    make: (waits: Waiting) => Promise<string>,
    ownWaits: Waiting | undefined,
  ): Promise<Resolved> {
    const waits = new SharedWaits();
    if (ownWaits !== undefined) waits.join(ownWaits);
    const work = async (): Promise<Known> => {
      // Waiting for the database is not the event's own work either.
      const endWait = waits.begin();
      const found = await this.#reads.add(key).finally(endWait);
      if (found !== undefined) return { result: found, isStored: true };
      return { result: await make(waits), isStored: false };
    };
    const asking = work();
    const shared = asking.catch((error: unknown) => {
      throw signal.aborted ? new GivenUp() : error;
    });
    // Without other waiters, the caller below still gets the failure.
    shared.catch(() => undefined);
    this.#asked.set(name, { result: shared, waits });
    try {
      const known = await asking;
      this.#remember(name, known);
      return { ...known, cached: known.isStored };
    } finally {
      this.#asked.delete(name);
    }
  }

  #remember(name: string, known: Known): void {
    this.#remembered.set(name, known);
    if (this.#remembered.size <= REMEMBERED) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }
}

/** The event that asked was given up; the question is still open. */
class GivenUp extends Error {
  override readonly name = 'GivenUp';
}

async function readResults(
  db: Queryable,
  keys: readonly Buffer[],
): Promise<(string | undefined)[]> {
  const { rows } = await db.query<{ cache_key: Buffer; result: string }>({
    name: 'result-cache-read',
    text: `select cache_key, result from memfleet.result_cache where cache_key = any($1::bytea[])`,
    values: [keys],
  });
  const found = new Map(rows.map((row) => [row.cache_key.toString('base64'), row.result]));
  return keys.map((key) => found.get(key.toString('base64')));
}

/**
 * Stores results; the first under a key stays. It stores them in the order of their keys, so that two
 * workers with equal contents cannot deadlock.
 */
export async function storeResults(
  db: Queryable,
  stage: string,
  paid: readonly PaidResult[],
): Promise<void> {
  await db.query({
    name: 'result-cache-store',
    text: `insert into memfleet.result_cache (cache_key, stage, result)
      select cache_key, $1, result from unnest($2::bytea[], $3::text[]) as paid (cache_key, result)
      order by cache_key
      on conflict (cache_key) do nothing`,
    values: [stage, paid.map(({ key }) => key), paid.map(({ result }) => result)],
  });
}
