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
  stateSeconds: 9,
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
    conflictingCopies: { count: 0, unjudged: 0, latest: [] },
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
  expect(halted.problems).toEqual([
    'memories lane 0 is halted (at position 7, nothing waits, owner p-1): another stream',
  ]);
});

test('stopped lanes show their position, duration, owner and cause', () => {
  const behind = { ...lane, lagEvents: 3, lagSeconds: 6.5, cause: 'why' };
  const where = 'at position 7, the oldest waits for 6.5 s';
  expect(verdictOf([{}], [{ ...behind, state: 'troubled' }]).problems).toEqual([
    `memories lane 0 is troubled (${where}, owner p-1): why`,
  ]);
  expect(verdictOf([{}], [{ ...behind, state: 'unowned', owner: null }]).problems).toEqual([
    `memories lane 0 is unowned (${where}, owner none): why`,
  ]);
  // A problem that has just begun may end by itself.
  const passing = { ...behind, lagSeconds: 1, stateSeconds: 1 };
  expect(verdictOf([{}], [{ ...passing, state: 'troubled' }]).healthy).toBe(true);
  expect(verdictOf([{}], [{ ...passing, state: 'unowned', owner: null }]).healthy).toBe(true);
  expect(verdictOf([{}], [{ ...lane, state: 'unowned', owner: null }]).healthy).toBe(true);
  // Reported once, by the halted lane.
  const twice = verdictOf(
    [{ worker: 'projection', state: 'halted', cause: 'memories lane 0: why' }],
    [{ ...behind, state: 'halted' }],
  );
  expect(twice.problems).toEqual([`memories lane 0 is halted (${where}, owner p-1): why`]);
});
