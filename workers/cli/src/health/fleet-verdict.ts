import type { LaneEntry } from '../status/projections.ts';
import type { Snapshot, WorkerStatus } from '../status/snapshot.ts';

/** Whether something makes progress, and what is wrong when it does not. */
export interface Verdict {
  readonly healthy: boolean;
  /** One line about the state that was checked. */
  readonly about: string;
  readonly problems: readonly string[];
}

/**
 * A lane in trouble, or without an owner, for less than this may recover by itself. A transaction counts
 * as slow after five seconds, so together the verdict reports it within ten.
 */
const PASSING_SECONDS = 3;

/**
 * The fleet is healthy when every worker runs and no waiting event is neglected. A pause imposed by a
 * provider is no stall: a restart would not help.
 */
export function fleetVerdict(
  { workers, projections }: Snapshot,
  stalledAfterSeconds: number,
): Verdict {
  const stopped = projections.flatMap(({ projection, generationState, lanes }) =>
    lanes
      .filter((lane) => isStopped(lane, generationState === 'live'))
      .map((lane) => laneProblem(projection, lane)),
  );
  const problems = [
    ...workers
      // Its lanes give more detail.
      .filter(
        ({ worker, state }) =>
          !(worker === 'projection' && state === 'halted' && stopped.length > 0),
      )
      .flatMap((worker) => problemOf(worker, stalledAfterSeconds)),
    ...stopped,
  ];
  const lag = workers.map(({ worker, lagEvents }) => `${worker} ${lagEvents} waiting`).join(', ');
  return { healthy: problems.length === 0, about: lag, problems };
}

/** Lanes of tables that nobody reads may wait for a worker of their version. */
function isStopped(
  { state, stateSeconds, lagEvents, lagSeconds }: LaneEntry,
  isLive: boolean,
): boolean {
  switch (state) {
    case 'halted':
      return true;
    case 'troubled':
      return stateSeconds >= PASSING_SECONDS;
    case 'unowned':
      return isLive && lagEvents > 0 && lagSeconds >= PASSING_SECONDS;
    default:
      return false;
  }
}

function laneProblem(projection: string, lane: LaneEntry): string {
  const { state, position, lagEvents, lagSeconds, owner, cause } = lane;
  const waiting = lagEvents === 0 ? 'nothing waits' : `the oldest waits for ${lagSeconds} s`;
  const where = `at position ${position}, ${waiting}, owner ${owner ?? 'none'}`;
  return `${projection} lane ${lane.lane} is ${state} (${where})${because(cause)}`;
}

function problemOf(status: WorkerStatus, stalledAfterSeconds: number): string[] {
  const { worker, state, cause, lagEvents, lagSeconds, ratePerSecond } = status;
  if (state === 'down' || state === 'halted') return [`${worker} is ${state}${because(cause)}`];
  const isStalled =
    lagEvents > 0 && lagSeconds > stalledAfterSeconds && ratePerSecond === 0 && state !== 'paused';
  if (!isStalled) return [];
  return [`${worker} is stalled: ${lagEvents} events wait, the oldest for ${lagSeconds} s`];
}

function because(cause: string | null): string {
  return cause === null ? '' : `: ${cause}`;
}
