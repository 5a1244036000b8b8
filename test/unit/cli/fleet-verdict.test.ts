import { expect, test } from 'vitest';
import { fleetVerdict } from '../../../workers/cli/src/health/fleet-verdict.ts';
import type { Snapshot, WorkerStatus } from '../../../workers/cli/src/status/snapshot.ts';

const worker: WorkerStatus = {
  worker: 'extraction',
  processes: 1,
  lagEvents: 0,
  lagSeconds: 0,
  inFlight: 0,
  ratePerSecond: 0,
  redeliveries: 0,
  deadLetters: 0,
  state: 'idle',
  cause: null,
};
const lane = {
  lane: 0,
  owner: 'p-1',
  epoch: 1,
  position: 7,
  lagEvents: 0,
  lagSeconds: 0,
  state: 'running',
  cause: null,
  parkedKeys: 0,
  parkedEvents: 0,
} as const;

function verdictOf(
  workers: readonly Partial<WorkerStatus>[],
  lanes: Snapshot['projections'][number]['lanes'] = [lane],
) {
  const snapshot: Snapshot = {
    stream: { stream: 'X', created: '', firstSequence: 1, lastSequence: 7, messages: 7, bytes: 1 },
    workers: workers.map((part) => ({ ...worker, ...part })),
    projections: [
      { projection: 'memories', version: 1, generation: 1, generationState: 'live', lanes },
    ],
  };
  return fleetVerdict(snapshot, 60);
}

test('idle, busy and paused are healthy', () => {
  expect(verdictOf([{}]).healthy).toBe(true);
  const busy = { state: 'working', lagEvents: 900, lagSeconds: 90, ratePerSecond: 12 };
  expect(verdictOf([busy]).healthy).toBe(true);
  const paused = { state: 'paused', lagEvents: 900, lagSeconds: 900, cause: 'quota' };
  expect(verdictOf([paused]).healthy).toBe(true);
  expect(verdictOf([{ lagEvents: 900, lagSeconds: 59 }]).healthy).toBe(true);
});

test('down, halted and stalled are not', () => {
  expect(verdictOf([{ state: 'down', cause: 'no process reports' }]).problems).toEqual([
    'extraction is down: no process reports',
  ]);
  expect(verdictOf([{ state: 'halted', cause: null }]).problems).toEqual(['extraction is halted']);
  expect(verdictOf([{ lagEvents: 3, lagSeconds: 61 }]).problems).toEqual([
    'extraction is stalled: 3 events wait, the oldest for 61 s',
  ]);
  const halted = verdictOf([{}], [{ ...lane, state: 'halted', cause: 'another stream' }]);
  expect(halted.problems).toEqual(['memories lane 0 is halted: another stream']);
});
