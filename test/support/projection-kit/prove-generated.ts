import type { Envelope } from '@memfleet/events';
import type { Projection } from '@memfleet/projections';
import fc from 'fast-check';
import { generatedLog } from '../../integration/projections/generated-log.ts';
import { ProjectionFault } from './fault.ts';
import { proveLog } from './prove-log.ts';

export interface GeneratedLogs {
  /** Number of logs, of about a hundred events each. */
  readonly runs: number;
  readonly logs?: fc.Arbitrary<readonly Envelope[]>;
  /** The seed of an earlier failure, to reproduce it. */
  readonly seed?: number;
}

type Log = readonly Envelope[];

/**
 * Proves a projection on generated logs with every event type. It shortens a failing log as far as possible
 * before it reports it.
 * @returns how many logs were proven
 * @throws ProjectionFault
 */
export function proveGenerated(
  projection: Projection,
  { runs, logs = generatedLog, seed }: GeneratedLogs,
): number {
  const property = fc.property(fc.noShrink(logs), fc.noShrink(fc.nat()), (log, order) => {
    proveLog(projection, log, order);
  });
  const outcome = fc.check(property, { numRuns: runs, ...(seed === undefined ? {} : { seed }) });
  if (!outcome.failed) return outcome.numRuns;
  const error: unknown = outcome.errorInstance;
  if (!(error instanceof ProjectionFault) || outcome.counterexample === null) throw error;
  const [log, order] = outcome.counterexample;
  const { fault, length } = shortest(projection, log, order, error);
  fault.message += `\n  to reproduce it: MEMFLEET_TEST_SEED=${outcome.seed}; the shortest failing log has ${length === 1 ? '1 event' : `${length} events`}`;
  throw fault;
}

/** Each try costs some milliseconds, and a person waits for all of them. */
const MOST_LOOKS = 1_000;
/** A short log shows a wrong order only in some orders. */
const ORDERS = 5;

/**
 * Removes events from a log as long as the same check still fails: large parts first, then single events.
 * (The generator's own shrinking would change the remaining events.)
 */
function shortest(
  projection: Projection,
  log: Log,
  order: number,
  found: ProjectionFault,
): { fault: ProjectionFault; length: number } {
  let best = { log, fault: found };
  let looks = 0;
  for (let part = log.length >> 1; part >= 1; part >>= 1) {
    for (let at = 0; at < best.log.length && looks < MOST_LOOKS;) {
      const shorter = best.log.toSpliced(at, part);
      let fault: ProjectionFault | undefined;
      for (let next = 0; next < ORDERS && fault === undefined; next += 1) {
        looks += 1;
        fault = faultOf(projection, shorter, order + next);
      }
      if (fault?.check === found.check) best = { log: shorter, fault };
      else at += part;
    }
  }
  return { fault: best.fault, length: best.log.length };
}

function faultOf(projection: Projection, log: Log, order: number): ProjectionFault | undefined {
  try {
    proveLog(projection, log, order);
    return undefined;
  } catch (error) {
    if (error instanceof ProjectionFault) return error;
    throw error;
  }
}
