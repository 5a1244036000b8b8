import { createEvent, type Envelope } from '@memfleet/events';
import type { ThrowAwayFleet } from './throw-away-fleet.ts';

const BATCH = 500;
/** Batches appended concurrently. */
const BATCHES = 4;
const TENANTS = 10;

const PEOPLE = ['Ana', 'Bela', 'Chidi', 'Dora', 'Emre', 'Farah', 'Goran', 'Hana'];
const VERBS = ['lives in', 'moved to', 'works in', 'was born in', 'studied in', 'likes'];
const PLACES = ['Porto', 'Lagos', 'Tallinn', 'Kyoto', 'Quito', 'Bergen', 'Izmir', 'Turin', 'Graz'];
const THINGS = 'tea chess sailing opera running bread maps clocks roses trains birds salt'.split(
  ' ',
);

/** Events of `memory.created`, each for a memory of its own, with content of about the given size. */
export function sampleMemories(count: number, contentBytes: number): Envelope[] {
  return Array.from({ length: count }, (_, index) => sampleMemory(index, contentBytes));
}

function sampleMemory(index: number, contentBytes: number): Envelope {
  return createEvent({
    tenant: `bench-${index % TENANTS}`,
    memory: `m-${index}`,
    type: 'memory.created',
    data: { content: contentOf(index, contentBytes) },
    source: '/memfleet/bench',
  });
}

/** Plain statements with different words each time, for extraction and full-text search. */
function contentOf(index: number, bytes: number): string {
  const sentences = [`Note ${index}.`];
  let length = 0;
  for (let step = index; length < bytes; step = step * 31 + 7) {
    const [person, verb, place, thing] = [PEOPLE, VERBS, PLACES, THINGS].map(
      (words, digit) => words[Math.floor(step / 3 ** digit) % words.length],
    );
    const sentence = `${person} ${verb} ${place} and enjoys ${thing} number ${step % 1_000}.`;
    sentences.push(sentence);
    length += sentence.length + 1;
    step %= 1_000_003;
  }
  return sentences.join(' ').slice(0, Math.max(bytes, 12));
}

/** Fills the log before any worker runs. @returns the average size of an event in bytes */
export async function fillLog(
  { publisher }: ThrowAwayFleet,
  count: number,
  contentBytes: number,
): Promise<number> {
  let total = 0;
  // Made while they are sent, since millions at once would not fit into memory. A few batches at a time,
  // since a server allows at most 50 atomic batches per stream.
  for (let from = 0; from < count; from += BATCHES * BATCH) {
    const length = Math.min(BATCHES * BATCH, count - from);
    const events = Array.from({ length }, (_, index) => sampleMemory(from + index, contentBytes));
    const batches = Array.from({ length: Math.ceil(length / BATCH) }, (_, index) =>
      events.slice(index * BATCH, (index + 1) * BATCH),
    );
    await Promise.all(batches.map((batch) => publisher.appendBatch(batch)));
    for (const event of events) total += Buffer.byteLength(JSON.stringify(event));
  }
  return Math.round(total / count);
}
