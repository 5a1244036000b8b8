import type { RuntimeErrorCode } from '@memfleet/runtime';
import type { LaneStatus } from './lane-status.ts';
import type { Place } from './live-place.ts';

/** A lane that will not advance by itself. */
export interface LaneInVain {
  readonly lane: number;
  readonly position: number;
  readonly code: Extract<RuntimeErrorCode, 'LANE_HALTED' | 'LANE_UNOWNED'>;
  readonly cause: string;
}

/** After this long without progress, the watch looks for the cause. */
const STILL_MS = 500;
/** Workers report about every second: asking sooner gets the same answer. */
const ASK_MS = 1_000;
/** A report may be a second old: a lane counts as halted when two reports say so. */
const HALTED_MS = 900;
/** After the lease of a dead worker has run out, another worker takes over in less time. */
const UNOWNED_MS = 5_000;

/** Finds out why tables stand still, and whether they will advance again. */
export class Stillness {
  readonly #readLanes: () => Promise<readonly LaneStatus[]>;
  #place: Place | undefined;
  #since = 0;
  #askedAt = 0;
  #cause: string | undefined;
  /** Since when each lane has been in its current state. */
  readonly #states = new Map<
    number,
    { readonly state: LaneStatus['state']; readonly at: number }
  >();

  constructor(readLanes: () => Promise<readonly LaneStatus[]>) {
    this.#readLanes = readLanes;
  }

  /** Why the tables stand still; undefined while they advance. */
  get cause(): string | undefined {
    return this.#cause;
  }

  reset(): void {
    this.#place = undefined;
    this.#cause = undefined;
    this.#states.clear();
  }

  /** Lanes that nobody should wait for; queries nothing while the tables advance. */
  async lanesInVain(place: Place): Promise<LaneInVain[]> {
    const now = performance.now();
    const isSame =
      this.#place?.generation === place.generation && this.#place.position === place.position;
    if (!isSame) {
      this.reset();
      this.#place = place;
      this.#since = now;
    }
    if (now - this.#since < STILL_MS || now - this.#askedAt < ASK_MS) return [];
    this.#askedAt = now;
    const lanes = await this.#readLanes();
    this.#cause = causeOf(lanes);
    return lanes.flatMap((status) => {
      const known = this.#states.get(status.lane);
      const at = known?.state === status.state ? known.at : now;
      this.#states.set(status.lane, { state: status.state, at });
      return inVain(status, now - at) ?? [];
    });
  }
}

function inVain(
  { lane, position, state, cause = state }: LaneStatus,
  forMs: number,
): LaneInVain | undefined {
  if (state === 'halted' && forMs >= HALTED_MS) {
    return { lane, position, code: 'LANE_HALTED', cause };
  }
  if (state === 'unowned' && forMs >= UNOWNED_MS) {
    return { lane, position, code: 'LANE_UNOWNED', cause };
  }
  return undefined;
}

function causeOf(lanes: readonly LaneStatus[]): string | undefined {
  const stuck = lanes.find(({ state }) => state !== 'running');
  if (stuck === undefined) return undefined;
  return `lane ${stuck.lane} is ${stuck.state}${stuck.cause === undefined ? '' : `, ${stuck.cause}`}`;
}
