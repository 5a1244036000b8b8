import { GONE_AFTER_MS, type Queryable } from '@memfleet/runtime';
import { silenceText } from './silence.ts';

/** The last reports of a worker's live processes, combined. */
export interface WorkerReport {
  readonly processes: number;
  readonly state: string;
  readonly cause: string | null;
  readonly inFlight: number;
  readonly ratePerSecond: number;
}

interface Row {
  readonly worker: string;
  readonly instance: string;
  readonly silent_seconds: number;
  readonly state: string;
  readonly cause: string | null;
  readonly in_flight: number;
  readonly rate: number;
}

/** Of several processes, the one that most needs attention determines the state. */
const BY_URGENCY = [
  'halted',
  'troubled',
  'paused',
  'starting',
  'stopping',
  'working',
  'idle',
  'standby',
];

export const DOWN: WorkerReport = {
  processes: 0,
  state: 'down',
  cause: 'no process reports',
  inFlight: 0,
  ratePerSecond: 0,
};

/** Reports by worker; a worker without a live process is left out, and a silent one is not healthy. */
export async function workerReports(
  db: Queryable,
  silentAfterMs: number,
  refusal: string | undefined,
): Promise<ReadonlyMap<string, WorkerReport>> {
  const { rows } = await db.query<Row>({
    name: 'status-worker-reports',
    text: `select worker, instance, state, cause, in_flight, rate,
        extract(epoch from now() - reported_at)::float8 as silent_seconds
      from memfleet.worker_reports
      where reported_at > now() - $1 * interval '1 millisecond'`,
    values: [GONE_AFTER_MS],
  });
  const heard = rows.map((row) => heardOf(row, silentAfterMs, refusal));
  const byWorker = Map.groupBy(heard, (row) => row.worker);
  return new Map([...byWorker].map(([worker, reports]) => [worker, combined(reports)]));
}

function heardOf(row: Row, silentAfterMs: number, refusal: string | undefined): Row {
  const { instance, state, silent_seconds: seconds } = row;
  if (state === 'halted' || seconds * 1_000 <= silentAfterMs) return row;
  return { ...row, state: 'troubled', cause: silenceText(instance, seconds, refusal), rate: 0 };
}

function combined(reports: readonly Row[]): WorkerReport {
  const [urgent] = reports.toSorted((a, b) => urgency(a.state) - urgency(b.state));
  return {
    processes: reports.length,
    state: urgent?.state ?? DOWN.state,
    cause: urgent?.cause ?? null,
    inFlight: reports.reduce((sum, report) => sum + report.in_flight, 0),
    ratePerSecond: reports.reduce((sum, report) => sum + report.rate, 0),
  };
}

function urgency(state: string): number {
  const rank = BY_URGENCY.indexOf(state);
  return rank === -1 ? 0 : rank;
}
