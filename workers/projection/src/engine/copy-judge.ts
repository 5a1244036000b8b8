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
  /** Whether it is for this process to look: one of a fleet is enough. */
  readonly isOurs: () => boolean;
}

/** Copies compared in one go; two messages each are read and kept meanwhile. */
const BATCH = 50;
/** Lines a batch: a publisher that mixes up its ids does so by the thousand. */
const MOST_LINES = 5;

type Envelope = Extract<Decoded, { readonly envelope: unknown }>['envelope'];

/**
 * Compares events that the log holds twice, beside the lanes. What was said once may be said again;
 * another payload under the same id is an error of whoever published it, and is flagged. Copies that
 * were found and not compared are there still after a crash: the next look finds them.
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
      // Once, and not every second of an outage: the copies wait, and `status` counts them.
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

  /** The event at a position; undefined when it was erased, or the stream is another one by now. */
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
        'the log holds another payload under the same event id: compare both by `memfleet events show`, and publish what should count under an id of its own',
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

/** By the digest that the stages claim events with: time and trace are not part of what is said. */
function verdictOf(
  first: Envelope | undefined,
  again: Envelope | undefined,
): JudgedCopy['verdict'] {
  if (first === undefined || again === undefined) return 'erased';
  return samePayload(first, again, false) ? 'same' : 'other';
}
