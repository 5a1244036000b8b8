import { createEvent, type Envelope } from '@memfleet/events';

/** Enough that no append waits for another of the same memory. */
const MEMORIES = 1_000;
const WORDS = 'the quick report moved to monday and the team in the harbor office agreed'.split(
  ' ',
);

/** Events whose content has the given size, each with an id of its own. */
export function sampleEvents(count: number, contentBytes: number): Envelope[] {
  const text = filler(contentBytes);
  return Array.from({ length: count }, (_, index) => {
    const number = String(index);
    return createEvent({
      tenant: 'bench',
      memory: `m-${index % MEMORIES}`,
      type: 'memory.created',
      data: { content: `${number} ${text}`.slice(0, Math.max(number.length, contentBytes)) },
      source: '/memfleet/bench',
    });
  });
}

function filler(bytes: number): string {
  const words: string[] = [];
  for (let length = 0, at = 0; length < bytes; at += 1) {
    const word = WORDS[at % WORDS.length] ?? '';
    words.push(word);
    length += word.length + 1;
  }
  return words.join(' ');
}
