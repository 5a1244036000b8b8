import { type Decoded, eventKey, messageAt, registry, samePayload } from '@memfleet/events';
import { type EventCopy, type JudgedCopy, keepVerdicts, readUnjudged } from '@memfleet/projections';
import {
  every,
  type JetStreamManager,
  type Logger,
  messageOf,
  type Pool,
  type Repeated,
} from '@memfleet/runtime';

export interface CopyJudgeOptions {
  readonly pool: Pool;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly log: Logger;
  readonly everyMs: number;
  /** Whether this process should look: one in the fleet is enough. */
  readonly isOurs: () => boolean;
}

/** Copies compared at a time; the two messages of each are held in memory meanwhile. */
const BATCH = 50;
/** Log lines per batch: a publisher that mixes up its ids does so thousands of times. */
const MOST_LINES = 5;

type Envelope = Extract<Decoded, { readonly envelope: unknown }>['envelope'];

/**
 * Compares events that the log holds twice, beside the lanes. An identical copy is harmless; another
 * payload under the same id is an error of the publisher, and is flagged. After a crash, copies that
 * were found but not compared are still recorded: the next look finds them.
 */
export class CopyJudge {
  readonly #options: CopyJudgeOptions;
  readonly #repeated: Repeated;
  #isStopped = false;
  #isFailing = false;

  constructor(options: CopyJudgeOptions) {
    this.#options = options;
    this.#repeated = every(options.everyMs, () => this.#look());
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#repeated.stop();
  }

  async #look(): Promise<void> {
    if (!this.#options.isOurs()) return;
    try {
      while (!this.#isStopped && (await this.#judgeSome()) === BATCH);
      this.#isFailing = false;
    } catch (error) {
      // Logged once, not every second of an outage: the copies wait, and `status` counts them.
      if (!this.#isFailing) {
        this.#options.log.warn(
          { reason: messageOf(error) },
          'copies of events could not be compared, trying again',
        );
      }
      this.#isFailing = true;
    }
  }

  /** @returns how many were looked at */
  async #judgeSome(): Promise<number> {
    const { pool } = this.#options;
    const copies = await readUnjudged(pool, BATCH);
    if (copies.length === 0) return 0;
    const judged = await Promise.all(copies.map((copy) => this.#judge(copy)));
    const kept = await keepVerdicts(pool, judged);
    this.#flag(kept.filter(({ verdict }) => verdict === 'other'));
    return copies.length;
  }

  async #judge(copy: EventCopy): Promise<JudgedCopy> {
    const [first, again] = await Promise.all([
      this.#read(copy, copy.firstSequence),
      this.#read(copy, copy.sequence),
    ]);
    const known = again ?? first;
    return {
      ...copy,
      verdict: verdictOf(first, again),
      tenant: known?.tenantid ?? null,
      eventId: known?.id ?? null,
      type: known?.type ?? null,
    };
  }

  /** The event at a position; undefined when it was erased, or the stream has been replaced. */
  async #read({ eventKey: key }: EventCopy, seq: number): Promise<Envelope | undefined> {
    const { jsm, stream } = this.#options;
    const stored = await messageAt(jsm, stream, { seq });
    if (stored === null) return undefined;
    const decoded = registry.decode(stored.data);
    if (decoded.kind === 'invalid') return undefined;
    return eventKey(decoded.envelope) === key ? decoded.envelope : undefined;
  }

  #flag(conflicting: readonly JudgedCopy[]): void {
    const { log } = this.#options;
    for (const { tenant, eventId, type, sequence, firstSequence } of conflicting.slice(
      0,
      MOST_LINES,
    )) {
      log.error(
        { tenant, eventId, type, sequence, firstSequence },
        'the log holds another payload under the same event id: compare both with `memfleet events show <id>`, and publish the payload that should count under an id of its own',
      );
    }
    const rest = conflicting.slice(MOST_LINES);
    const [next] = rest;
    if (next === undefined) return;
    log.error(
      { copies: rest.length, from: next.sequence, to: rest.at(-1)?.sequence },
      'more of the same: memfleet.event_copies lists them all',
    );
  }
}

/** Uses the digest by which the stages claim events: it leaves out time and trace. */
function verdictOf(
  first: Envelope | undefined,
  again: Envelope | undefined,
): JudgedCopy['verdict'] {
  if (first === undefined || again === undefined) return 'erased';
  return samePayload(first, again, false) ? 'same' : 'other';
}
