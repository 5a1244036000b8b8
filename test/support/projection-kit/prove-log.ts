import type { Envelope } from '@memfleet/events';
import type { Projection } from '@memfleet/projections';
import { Random } from '../random.ts';
import { type Answer, ask, askAgain } from './ask.ts';
import { describeDifference, firstDifference } from './compare.ts';
import { type Check, ProjectionFault } from './fault.ts';
import { freezeGlobals } from './frozen-globals.ts';
import { readLog } from './log.ts';
import { type Batches, inBatches, inLanes, withCopies } from './orders.ts';
import { TablesInMemory } from './tables-in-memory.ts';
import { checkTies } from './ties.ts';

/** Distance between two events of the log, with room for copies of others. */
const STEP = 10;

/**
 * Proves one projection on one log, without a database: for any batches, lanes and deliveries of its
 * events, the tables are the fold of the log. @throws ProjectionFault
 */
export function proveLog(
  projection: Projection,
  envelopes: readonly Envelope[],
  seed: number,
): void {
  using _frozen = freezeGlobals();
  const random = new Random(seed);
  const entries = readLog(projection, envelopes, STEP);
  const answers = entries.map((entry) => ask(projection, entry));
  for (const answer of shuffled(answers, random)) askAgain(projection, answer);

  const distinct = answers.filter(({ entry }) => !entry.isCopy);
  checkTies(projection, distinct);
  const holds = new Comparison(projection, distinct);
  for (const size of [1, 2, 7, answers.length]) {
    holds.whenWritten('batches', `in batches of ${size}`, inBatches(distinct, size));
  }
  const batches = inBatches(distinct, 1 + random.below(9));
  holds.whenWritten(
    'redelivery',
    'when every batch is written twice',
    batches.flatMap((batch) => [batch, batch]),
  );
  holds.whenWritten('redelivery', 'when the whole log is written twice', [...batches, ...batches]);
  holds.whenWritten('copies', 'when events are stored a second time', inBatches(answers, 7));
  const copied = withCopies(projection, distinct, random);
  holds.whenWritten('copies', 'when events are stored a second time', inBatches(copied, 7));
  for (const lanes of [2, 8, 64]) {
    holds.whenWritten(
      'lanes',
      'when memories are written in another order',
      inLanes(distinct, lanes, random),
    );
  }
  const all = inLanes(copied, 8, random);
  holds.whenWritten('lanes', 'with all of this at once', [...all, ...all]);
}

/** The fold of the log, one event after the other, to compare other orders with. */
class Comparison {
  readonly #projection: Projection;
  readonly #expected: ReturnType<TablesInMemory['rows']>;

  constructor(projection: Projection, answers: readonly Answer[]) {
    this.#projection = projection;
    const tables = new TablesInMemory(projection);
    tables.applyOneByOne(answers);
    this.#expected = tables.rows();
  }

  /** @throws ProjectionFault */
  whenWritten(check: keyof typeof HINTS, how: string, batches: Batches): void {
    const projection = this.#projection;
    const tables = new TablesInMemory(projection);
    for (const batch of batches) tables.applyBatch(batch);
    const difference = firstDifference(this.#expected, tables.rows());
    if (difference === undefined) return;
    throw new ProjectionFault({
      projection: projection.name,
      check,
      what: `the tables are not the fold of the log ${how}`,
      where: describeDifference(projection, difference, batches.flat()),
      hint: HINTS[check],
    });
  }
}

const HINTS = {
  batches:
    'an event must not write one row twice with different guards, nor depend on the contents of a table',
  redelivery:
    'writing a row a second time must change nothing: leave the type of the event out of `repeatable`, or guard the row by the position of the event that its values come from',
  copies:
    'a copy later in the log has a higher position and wins over events in between: leave the type of the event out of `repeatable`, which is only for events whose copies change nothing',
  lanes:
    'events of different memories come in any order: give each memory a row of its own (tenant and memory in the key) and let a view add them up, or use a guard that no two memories share, such as latest(at.sequence)',
} as const satisfies Partial<Record<Check, string>>;

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  return items
    .map((item) => ({ item, place: random.next() }))
    .toSorted((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
