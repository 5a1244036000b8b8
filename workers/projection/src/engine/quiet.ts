import { messageAt } from '@memfleet/events';
import {
  consumerInfo,
  isTransientBrokerError,
  type JetStreamManager,
  RuntimeError,
  streamInfo,
} from '@memfleet/runtime';
import type { Committer } from './commit.ts';
import { BrokenDelivery } from './feed.ts';
import type { Inbox } from './inbox.ts';

/** How often a lane without events asks whether the log has moved on without it. */
export const QUIET_MS = 500;
/** A delivery missing for this long went to another reader: answers sent after it have arrived. */
const STRAY_MS = 5_000;

/** What a lane reads. */
export interface LaneSource {
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly durable: string;
  /** Subjects of the lane. */
  readonly filter: string;
}

/** The broker's view of a lane without events. */
export interface Ahead {
  /** End of the log, up to which there is nothing for the lane. */
  readonly end?: number;
  /** Position of an event that the durable has delivered and the lane does not have. */
  readonly missing?: number;
}

/**
 * Looks whether the log has anything for the lane beyond its position. The end is read first, so that events
 * stored meanwhile count as waiting. The log itself is asked whether anything waits: the server that leads
 * the durable may not have the newest messages yet, and counts only those it has.
 */
export async function lookAhead(
  { jsm, stream, durable, filter }: LaneSource,
  position: number,
): Promise<Ahead> {
  const { state } = await streamInfo(jsm, stream);
  if (state.last_seq <= position) return {};
  const { num_pending: waiting, delivered } = await consumerInfo(jsm, stream, durable);
  if (waiting > 0) return {};
  const next = await messageAt(jsm, stream, { seq: position + 1, next_by_subj: filter });
  if (next !== null && next.seq <= state.last_seq) {
    return next.seq <= delivered.stream_seq ? { missing: next.seq } : {};
  }
  return delivered.stream_seq > position ? {} : { end: state.last_seq };
}

/**
 * Moves the checkpoint of an idle lane to the end of the log. One of several lanes may not see an
 * event for days, and a reader that waits for a position, or an operator who trims the log, must know
 * that the lane has missed nothing.
 */
export class QuietLane {
  readonly #source: LaneSource;
  readonly #committer: Pick<Committer, 'position' | 'skipTo'>;
  readonly #inbox: Pick<Inbox, 'size' | 'filled'>;
  readonly #strays = new StrayWatch();

  constructor(
    source: LaneSource,
    committer: Pick<Committer, 'position' | 'skipTo'>,
    inbox: Pick<Inbox, 'size' | 'filled'>,
  ) {
    this.#source = source;
    this.#committer = committer;
    this.#inbox = inbox;
  }

  /**
   * To be called when no event has come for a while and no transaction runs. An event that comes does not
   * wait for the answers of the broker, which may be away.
   * @throws BrokenDelivery
   */
  async follow(): Promise<void> {
    let ahead: Ahead = {};
    let failure: { readonly error: unknown } | undefined;
    const looking = lookAhead(this.#source, this.#committer.position).then(
      (found) => {
        ahead = found;
      },
      (error: unknown) => {
        failure = { error };
      },
    );
    await this.#inbox.filled(1, looking);
    // The answer is older than this event.
    if (this.#inbox.size > 0) return;
    if (failure !== undefined) {
      // The pull decides whether the stream or the durable is gone: it asks twice.
      if (saysNothing(failure.error)) return;
      throw failure.error;
    }
    this.#strays.check(ahead.missing);
    if (ahead.end !== undefined) await this.#committer.skipTo(ahead.end);
  }
}

const UNANSWERED: ReadonlySet<string> = new Set([
  'STREAM_MISSING',
  'CONSUMER_MISSING',
  'BROKER_UNREACHABLE',
]);

function saysNothing(error: unknown): boolean {
  return (
    isTransientBrokerError(error) || (error instanceof RuntimeError && UNANSWERED.has(error.code))
  );
}

/**
 * Distinguishes a delivery that is still under way from one that went to another reader. While nothing
 * follows it, the lane sees no gap between two deliveries, and an acknowledged event is not redelivered.
 */
export class StrayWatch {
  readonly #patienceMs: number;
  #seq: number | undefined;
  #since = 0;

  constructor(patienceMs = STRAY_MS) {
    this.#patienceMs = patienceMs;
  }

  /** Call it with each result of `lookAhead`. @throws BrokenDelivery */
  check(seq: number | undefined): void {
    if (seq !== this.#seq) {
      this.#seq = seq;
      this.#since = performance.now();
      return;
    }
    if (seq === undefined || performance.now() - this.#since < this.#patienceMs) return;
    throw new BrokenDelivery(
      `the durable has delivered position ${seq}, and it did not come: somebody else reads it`,
    );
  }
}
