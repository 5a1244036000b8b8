import { type MemoryEvent, type MemoryEventType, registry } from '@memfleet/events';
import {
  handlerOf,
  latest,
  type Operation,
  type Position,
  type Projection,
  PROJECTIONS,
} from '@memfleet/projections';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EqualityBench, equalityCase } from '../integration/projections/equality-bench.ts';
import { connectTestBroker, type TestBroker } from '../support/broker.ts';

/** Logs within which a bug must show. */
const FEW = 40;

let broker: TestBroker;
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

type Change = (projection: Projection) => Projection;
type AnyHandler = (event: MemoryEvent, at: Position) => readonly Operation[];

const TYPES = registry.types.map(({ type }) => type as MemoryEventType);

/** The projections, with a bug in one of them. */
function planted(name: string, change: Change): readonly Projection[] {
  return PROJECTIONS.map((projection) =>
    projection.name === name ? change(projection) : projection,
  );
}

/** Treats copies as events. */
const withoutDedupe: Change = (projection) => ({ ...projection, repeatable: new Set(TYPES) });

/** Changes what one handler writes. */
function changed(
  type: MemoryEventType,
  change: (operation: Operation, at: Position) => Operation,
): Change {
  return (projection) => {
    const right: AnyHandler | undefined = handlerOf(projection, type);
    const wrong: AnyHandler = (event, at) => {
      const operations = right?.(event, at) ?? [];
      return operations.map((operation) => change(operation, at));
    };
    return { ...projection, handlers: { ...projection.handlers, [type]: wrong } };
  };
}

/** Gives the writes of one handler another guard. */
function guarded(type: MemoryEventType, guardAt: (at: Position) => number): Change {
  return changed(type, (operation, at) => {
    if ('members' in operation) return { ...operation, guard: guardAt(at) };
    if (!('groups' in operation)) return operation;
    const groups: Record<string, (typeof operation.groups)[string]> = {};
    for (const [name, write] of Object.entries(operation.groups)) {
      groups[name] = write && { ...write, guard: guardAt(at) };
    }
    return { ...operation, groups };
  });
}

/** Makes one handler forget a set. */
const losesFacts = changed('memory.extracted', (operation) =>
  'members' in operation
    ? { ...operation, members: { ...operation.members, facts: [] } }
    : operation,
);

test.each<[string, string, Change]>([
  ['copies of revisions are not recognised', 'memories', withoutDedupe],
  ['copies of extractions are not recognised', 'knowledge', withoutDedupe],
  ['a creation overwrites', 'memories', guarded('memory.created', (at) => latest(at.sequence))],
  ['the write applied last wins', 'memories', guarded('memory.revised', () => 1)],
  [
    'a late extraction of older content wins',
    'knowledge',
    guarded('memory.extracted', (at) => latest(at.sequence)),
  ],
  [
    'what was forgotten comes back',
    'memories',
    guarded('memory.forgotten', (at) => latest(at.sequence)),
  ],
  ['facts are lost', 'knowledge', losesFacts],
])(
  'a planted bug is caught within a few logs: %s',
  async (_, name, change) => {
    await using bench = await EqualityBench.create(broker, planted(name, change));
    const found = await fc.check(
      fc.asyncProperty(equalityCase, (each) => bench.check(each)),
      { numRuns: FEW, endOnFailure: true },
    );
    process.stderr.write(`planted bug: found in log ${bench.logs + 1}\n`);
    // It must be a difference, and not another failure.
    expect(String(found.errorInstance)).toMatch(/AssertionError/);
    expect(found.failed).toBe(true);
  },
  300_000,
);
