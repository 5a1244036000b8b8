import type { Snapshot, WorkerStatus } from '../status/snapshot.ts';

/** Whether something makes progress, and what is wrong when it does not. */
export interface Verdict {
  readonly healthy: boolean;
  /** One line about what was looked at. */
  readonly about: string;
  readonly problems: readonly string[];
}

/**
 * The fleet is healthy when every worker runs and nothing that waits is left lying. A pause that a
 * provider imposes is no stall: a restart would not help.
 */
export function fleetVerdict(
  { workers, projections }: Snapshot,
  stalledAfterSeconds: number,
): Verdict {
  const halted = projections.flatMap(({ projection, lanes }) =>
    lanes
      .filter(({ state }) => state === 'halted')
      .map(({ lane, cause }) => `${projection} lane ${lane} is halted${because(cause)}`),
  );
  const stopped = workers.flatMap((worker) => problemOf(worker, stalledAfterSeconds));
  const problems = [...stopped, ...halted];
  const lag = workers.map(({ worker, lagEvents }) => `${worker} ${lagEvents} waiting`).join(', ');
  return { healthy: problems.length === 0, about: lag, problems };
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
