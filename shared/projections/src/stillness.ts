import type { RuntimeErrorCode } from '@memfleet/runtime';
import type { LaneStatus } from './lane-status.ts';
import type { Place } from './live-place.ts';

/** A lane that will not get on by itself. */
export interface LaneInVain {
  readonly lane: number;
  readonly position: number;
  readonly code: Extract<RuntimeErrorCode, 'LANE_HALTED' | 'LANE_UNOWNED'>;
  readonly cause: string;
}

/** Tables that have not moved for so long are asked why. */
const STILL_MS = 500;
/** Workers report about every second: what is asked sooner has the same answer. */
const ASK_MS = 1_000;
/** A report may be a second old: halted is what is so twice. */
const HALTED_MS = 900;
/** A worker that takes over from a dead one needs less, once its lease has run out. */
const UNOWNED_MS = 5_000;

/** Finds out why tables stand still, and whether they will go on. */
export class Stillness {
  readonly #readLanes: () => Promise<readonly LaneStatus[]>;
  #place: Place | undefined;
  #since = 0;
  #askedAt = 0;
  #cause: string | undefined;
  /** Since when each lane is in the state that it is in. */
  readonly #states = new Map<
    number,
    { readonly state: LaneStatus['state']; readonly at: number }
  >();

  constructor(readLanes: () => Promise<readonly LaneStatus[]>) {
    this.#readLanes = readLanes;
  }

  /** Why the tables stand; undefined while they move. */
  get cause(): string | undefined {
    return this.#cause;
  }

  reset(): void {
    this.#place = undefined;
    this.#cause = undefined;
    this.#states.clear();
  }

  /** Lanes that nobody should wait for; asks nothing while the tables move. */
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
