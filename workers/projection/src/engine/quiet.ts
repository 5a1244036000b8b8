import { messageAt } from '@memfleet/events';
import { consumerInfo, type JetStreamManager, streamInfo } from '@memfleet/runtime';
import type { Committer } from './commit.ts';
import { BrokenDelivery } from './feed.ts';

/** How often a lane without events asks whether the log has moved on without it. */
export const QUIET_MS = 500;
/** A delivery that has not come by then went to somebody else: answers that were sent later came. */
const STRAY_MS = 5_000;

/** What a lane reads. */
export interface LaneSource {
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly durable: string;
  /** Subjects of the lane. */
  readonly filter: string;
}

/**
 * Moves the checkpoint of an idle lane to the end of the log. One of several lanes may not see an
 * event for days, and a reader that waits for a position, or an operator who trims the log, must know
 * that the lane has missed nothing. The end is read first, so that events stored meanwhile count as
 * waiting. The log itself is asked whether anything waits: the server that leads the durable may not
 * have the newest messages yet, and counts only those it has.
 * @returns the position of an event that the durable has delivered and the lane does not have
 */
export async function followLog(
  { jsm, stream, durable, filter }: LaneSource,
  committer: Pick<Committer, 'position' | 'skipTo'>,
): Promise<number | undefined> {
  const { position } = committer;
  const { state } = await streamInfo(jsm, stream);
  if (state.last_seq <= position) return undefined;
  const { num_pending: waiting, delivered } = await consumerInfo(jsm, stream, durable);
  if (waiting > 0) return undefined;
  const next = await messageAt(jsm, stream, { seq: position + 1, next_by_subj: filter });
  if (next !== null && next.seq <= state.last_seq) {
    return next.seq <= delivered.stream_seq ? next.seq : undefined;
  }
  if (delivered.stream_seq > position) return undefined;
  await committer.skipTo(state.last_seq);
  return undefined;
}

/**
 * Tells a delivery that is under way from one that went to another reader. That one is not seen as a
 * break between two deliveries while nothing comes after it, and once acknowledged it never comes again.
 */
export class StrayWatch {
  readonly #patienceMs: number;
  #seq: number | undefined;
  #since = 0;

  constructor(patienceMs = STRAY_MS) {
    this.#patienceMs = patienceMs;
  }

  /** Told, whenever the lane is quiet, what `followLog` has found. @throws BrokenDelivery */
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
