import type { ModelUse } from '@memfleet/events';
import { CallLimit, type Cost, ProviderError, type ProviderGate } from '@memfleet/models';
import type { Embedded, RemoteEmbedder } from '@memfleet/recall';
import { Batcher, beginAll, type Queryable, SharedWaits } from '@memfleet/runtime';
import { type Attempt, embedApart } from './embed-apart.ts';
import { allAborted, Interest } from './interest.ts';
import { RecentVectors } from './recent-vectors.ts';
import { FREE } from './shares.ts';
import { contentDigest, findStored } from './stored-vectors.ts';
import { type Asker, type TextVector, type TextVectors, TOGETHER_MS } from './text-vectors.ts';

interface Found {
  readonly vector: Float32Array | undefined;
  readonly use: ModelUse;
}

interface Flight {
  readonly interest: Interest;
  /** While its call may not be made yet, the deadlines of the events that need it move too. */
  readonly waits: SharedWaits;
  readonly found: Promise<Found>;
  /** One of the waiting events accounts for its cost; for the others it is free. */
  isAccountedFor: boolean;
}

interface Asked {
  readonly text: string;
  readonly signal: AbortSignal;
  readonly waits: SharedWaits;
  /** Ends the wait for the look-up and for a slot in a call. */
  readonly endWait: () => void;
}

/**
 * This many tries share a call with other texts; later ones are made alone. So an event whose neighbours
 * caused the failure succeeds before its attempts are used up.
 */
const TRIES_TOGETHER = 2;

/** Text has about this many characters per token; more in plain English, fewer in code and names. */
const CHARACTERS_PER_TOKEN = 3.5;

export interface BoughtVectorsOptions {
  readonly embedder: RemoteEmbedder;
  readonly db: Queryable;
  readonly gate: ProviderGate;
  /** Texts per look-up in the table. */
  readonly batch: number;
  /** How long a call waits for more texts. */
  readonly lingerMs: number;
  /** Texts embedded concurrently. */
  readonly concurrency: number;
  /** A service that is silent for longer is down, unless it answers other calls. */
  readonly callTimeoutMs: number;
}

/**
 * Vectors of a service that costs money or minutes: equal texts share one call; a look-up in the table
 * finds vectors that were paid for before; the rest goes to the service in batches.
 */
export class BoughtVectors implements TextVectors {
  readonly #embedder: RemoteEmbedder;
  readonly #gate: ProviderGate;
  readonly #limit: CallLimit;
  readonly #lookUps: Batcher<string, boolean>;
  readonly #together: Batcher<Asked, Attempt>;
  readonly #alone: Batcher<Asked, Attempt>;
  readonly #flights = new Map<string, Flight>();
  readonly #recent: RecentVectors;

  constructor(options: BoughtVectorsOptions) {
    const { embedder, db, gate, batch, lingerMs, concurrency } = options;
    this.#embedder = embedder;
    this.#recent = new RecentVectors(embedder.dimensions);
    this.#gate = gate;
    this.#limit = new CallLimit(options.callTimeoutMs);
    this.#lookUps = new Batcher({
      flush: async (digests) => {
        const stored = await findStored(db, embedder.space, digests);
        return digests.map((digest) => stored.has(digest));
      },
      size: batch,
      lingerMs: TOGETHER_MS,
      parallel: 2,
    });
    const parallel = Math.max(1, Math.ceil(concurrency / embedder.maxBatch));
    const flush = (asked: readonly Asked[]): Promise<Attempt[]> => this.#call(asked);
    this.#together = new Batcher({ flush, size: embedder.maxBatch, lingerMs, parallel });
    this.#alone = new Batcher({ flush, size: 1, lingerMs, parallel });
  }

  async of(text: string, event: Asker): Promise<TextVector> {
    const digest = contentDigest(text);
    const recent = this.#recent.get(digest);
    if (recent !== undefined) return { digest, vector: recent, use: FREE };
    const flight = this.#flightOf(digest, text, event);
    const leave = flight.waits.join(event.waits);
    const { vector, use } = await flight.interest.share(flight.found, event.signal).finally(leave);
    const isFirst = !flight.isAccountedFor;
    flight.isAccountedFor = true;
    return { digest, vector, use: isFirst ? use : FREE };
  }

  #flightOf(digest: string, text: string, asker: Asker): Flight {
    const running = this.#flights.get(digest);
    // A call that nobody waits for any more is ending without a result.
    if (running !== undefined && !running.interest.signal.aborted) return running;
    const interest = new Interest();
    const waits = new SharedWaits();
    const asked = { text, signal: interest.signal, waits, endWait: waits.begin() };
    const found = this.#find(digest, asked, asker).finally(() => {
      asked.endWait();
      if (this.#flights.get(digest) === flight) this.#flights.delete(digest);
    });
    const flight: Flight = { interest, waits, found, isAccountedFor: false };
    this.#flights.set(digest, flight);
    return flight;
  }

  async #find(digest: string, asked: Asked, { attempt, tenant }: Asker): Promise<Found> {
    if (await this.#lookUps.add(digest)) return { vector: undefined, use: FREE };
    const calls = attempt > TRIES_TOGETHER ? this.#alone : this.#together;
    // Each text reserves its own share of the call, since a call has texts of many tenants.
    const reservation = await this.#gate.reserve(tenant, this.#costOf(tokensIn(asked.text)));
    let use: ModelUse | undefined;
    try {
      const made = await calls.add(asked);
      if (!made.ok) {
        use = made.error instanceof ProviderError ? made.error.use : undefined;
        throw made.error;
      }
      ({ use } = made);
      this.#recent.add(digest, made.vector);
      return made;
    } finally {
      reservation.settle(use && { tokens: use.usage.input_tokens, usd: use.cost_usd });
    }
  }

  #costOf(tokens: number): Cost {
    return { tokens, usd: tokens * (this.#embedder.usdPerToken ?? 0) };
  }

  async #call(asked: readonly Asked[]): Promise<Attempt[]> {
    const wanted = allAborted(asked.map((item) => item.signal));
    const waits = { begin: () => beginAll(asked.map((item) => item.waits)) };
    for (const { endWait } of asked) endWait();
    return await embedApart(
      async (texts) =>
        await this.#gate.call(() => this.#embed(texts, wanted), {
          tokens: texts.reduce((sum, text) => sum + tokensIn(text), 0),
          tookTokens: ({ usage }) => usage.input_tokens,
          signal: wanted,
          waits,
        }),
      asked.map((item) => item.text),
    );
  }

  async #embed(texts: readonly string[], wanted: AbortSignal): Promise<Embedded> {
    return await this.#limit.run((signal) => this.#embedder.embed(texts, signal), wanted);
  }
}

function tokensIn(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}
