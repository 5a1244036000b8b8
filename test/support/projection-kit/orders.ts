import type { Projection } from '@memfleet/projections';
import type { Random } from '../random.ts';
import { type Answer, askCopy } from './ask.ts';

/** Batches in the order of writing. */
export type Batches = readonly (readonly Answer[])[];

export function inBatches(answers: readonly Answer[], size: number): Answer[][] {
  return Array.from({ length: Math.ceil(answers.length / size) }, (_, index) =>
    answers.slice(index * size, (index + 1) * size),
  );
}

/**
 * Interleaves events as lanes do: every memory keeps its order, and otherwise any event may come before
 * any other. With as many lanes as memories, only that order remains.
 */
export function inLanes(answers: readonly Answer[], lanes: number, random: Random): Batches {
  const laneOf = new Map<string, number>();
  const queues: Answer[][] = Array.from({ length: lanes }, () => []);
  for (const answer of answers) {
    const { tenantid, subject } = answer.entry.event;
    const memory = `${tenantid}/${subject}`;
    const lane = laneOf.get(memory) ?? random.below(lanes);
    laneOf.set(memory, lane);
    queues[lane]?.push(answer);
  }
  const batches: Answer[][] = [];
  for (;;) {
    const waiting = queues.filter((queue) => queue.length > 0);
    if (waiting.length === 0) return batches;
    batches.push(random.pick(waiting).splice(0, 1 + random.below(6)));
  }
}

/** Events that are stored a second time, some soon after the first and some at the very end. */
export function withCopies(
  projection: Projection,
  answers: readonly Answer[],
  random: Random,
): Answer[] {
  const last = answers.at(-1)?.entry.sequence ?? 0;
  const copies = answers
    .filter(() => random.below(3) === 0)
    .map((answer) => {
      const room = last + answers.length - answer.entry.sequence;
      return askCopy(projection, answer, answer.entry.sequence + 1 + random.below(room));
    });
  const taken = new Set(answers.map(({ entry }) => entry.sequence));
  const placed = copies.filter(({ entry: { sequence } }) => {
    const isFree = !taken.has(sequence);
    taken.add(sequence);
    return isFree;
  });
  return [...answers, ...placed].toSorted((a, b) => a.entry.sequence - b.entry.sequence);
}
