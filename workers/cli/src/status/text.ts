import { type Column, table } from '../table.ts';
import { bytesInWords, durationInWords, grouped, rateInWords } from '../words.ts';
import { copiesInWords, copiesText } from './copies.ts';
import type { Snapshot } from './snapshot.ts';

const WORKER_COLUMNS: readonly Column[] = [
  { title: 'WORKER', align: 'left' },
  { title: 'STATE', align: 'left' },
  { title: 'LAG', align: 'right' },
  { title: 'OLDEST', align: 'right' },
  { title: 'RATE', align: 'right' },
  { title: 'IN FLIGHT', align: 'right' },
  { title: 'REDELIVERED', align: 'right' },
  { title: 'DEAD LETTERS', align: 'right' },
  { title: 'PROCESSES', align: 'right' },
  { title: 'CAUSE', align: 'left' },
];

const LANE_COLUMNS: readonly Column[] = [
  { title: 'PROJECTION', align: 'left' },
  { title: 'LANE', align: 'right' },
  { title: 'STATE', align: 'left' },
  { title: 'POSITION', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'OLDEST', align: 'right' },
  { title: 'PARKED', align: 'right' },
  { title: 'EPOCH', align: 'right' },
  { title: 'OWNER', align: 'left' },
  { title: 'CAUSE', align: 'left' },
];

/** The fleet for people: what waits, what runs, what failed. */
export function snapshotText({
  stream,
  workers,
  projections,
  conflictingCopies,
}: Snapshot): string {
  const head = `stream ${stream.stream}: ${grouped(stream.messages)} events, last ${grouped(stream.lastSequence)}, ${bytesInWords(stream.bytes)}`;
  const workerRows = workers.map((worker) => [
    worker.worker,
    worker.state,
    grouped(worker.lagEvents),
    age(worker),
    rateInWords(worker.ratePerSecond),
    grouped(worker.inFlight),
    grouped(worker.redeliveries),
    grouped(worker.deadLetters),
    String(worker.processes),
    worker.cause ?? '',
  ]);
  const laneRows = projections.flatMap(({ projection, generation, generationState, lanes }) =>
    lanes.map((lane) => [
      generationState === 'live' ? projection : `${projection} #${generation} ${generationState}`,
      String(lane.lane),
      lane.state,
      grouped(lane.position),
      grouped(lane.lagEvents),
      age(lane),
      grouped(lane.parkedEvents),
      String(lane.epoch),
      lane.owner ?? '-',
      lane.cause ?? '',
    ]),
  );
  return [
    head,
    '',
    table(WORKER_COLUMNS, workerRows),
    '',
    table(LANE_COLUMNS, laneRows),
    ...copiesText(conflictingCopies),
  ].join('\n');
}

/** The same in one line, for a log: the time, and the waiting events of each worker. */
export function snapshotLine({ stream, workers, conflictingCopies }: Snapshot, at: Date): string {
  const parts = workers.map(
    (worker) =>
      `${worker.worker} ${worker.state}, ${grouped(worker.lagEvents)} waiting, ${rateInWords(worker.ratePerSecond)}`,
  );
  const { count } = conflictingCopies;
  if (count > 0) parts.push(copiesInWords(count));
  return [at.toISOString(), `last ${grouped(stream.lastSequence)}`, ...parts].join(' · ');
}

function age(lag: { readonly lagEvents: number; readonly lagSeconds: number }): string {
  return lag.lagEvents === 0 ? '-' : durationInWords(lag.lagSeconds);
}
