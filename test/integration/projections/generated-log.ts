import { createEvent, type Envelope, MEMORY_KINDS, nameBasedId } from '@memfleet/events';
import fc from 'fast-check';

/** One event about one of a few memories, or a copy of an earlier one. */
export interface Step {
  readonly what: string;
  readonly tenant: number;
  readonly memory: number;
  readonly number: number;
  readonly choice: number;
}

export const VERBS: readonly string[] = [
  'created',
  'created',
  'revised',
  'accessed',
  'superseded',
  'forgotten',
  'extracted',
  'extracted',
  'embedded',
  'copy',
  'copy',
];

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom(...VERBS),
  tenant: fc.nat({ max: 1 }),
  memory: fc.nat({ max: 3 }),
  number: fc.nat({ max: 1_000 }),
  choice: fc.nat({ max: 1_000_000 }),
});

/**
 * Logs with every event type: memories interleaved, derived events late and of older content, events
 * for memories that nobody created or that are forgotten, and copies stored again later on.
 */
export const generatedLog: fc.Arbitrary<readonly Envelope[]> = fc
  .array(step, { minLength: 30, maxLength: 90, size: 'max' })
  .map((steps) => {
    const log: Envelope[] = [];
    for (const [index, each] of steps.entries()) {
      const before = log[each.choice % Math.max(1, log.length)];
      if (each.what !== 'copy') log.push(said(each, index));
      else if (before !== undefined) log.push(before);
    }
    return log;
  });

/** The event of a step; `index` makes its id. */
export function said({ what, tenant, memory, number, choice }: Step, index: number): Envelope {
  const time = new Date(Date.UTC(2026, 0, 1) + ((choice * 7_919) % 86_400_000)).toISOString();
  const version = what === 'created' && number % 4 === 0 ? 1 : undefined;
  return createEvent({
    tenant: `t-${tenant}`,
    memory: `m-${memory}`,
    type: `memory.${what}` as 'memory.created',
    source: '/test',
    id: nameBasedId('generated', String(index), String(choice)),
    time,
    ...(version === undefined ? {} : { schemaVersion: version }),
    data: version === 1 ? { content: `said ${number}` } : dataOf(what, number, choice, index),
  });
}

/** Texts that are difficult to store in a database, for every text field. */
const AWKWARD = ['plain', 'quo"te\\', '{a,NULL}', 'tab\tand\nline', '日本語 🙂', "it's", ' '];

function dataOf(
  what: string,
  number: number,
  choice: number,
  index: number,
): Record<string, unknown> {
  const text = `${AWKWARD[choice % AWKWARD.length]} ${number}`;
  // Some earlier position: now and then that of content that was replaced long ago.
  const cause = {
    source: '/test',
    id: nameBasedId('cause', String(index)),
    sequence: 1 + (choice % Math.max(1, index)),
  };
  const use = {
    usage: { calls: 1, input_tokens: 1, output_tokens: 1 },
    cost_usd: 0,
    duration_ms: 1,
    cached: false,
  };
  switch (what) {
    case 'created':
      return {
        content: text,
        kind: MEMORY_KINDS[number % MEMORY_KINDS.length],
        importance: (number % 11) / 10,
        scope: number % 2 === 0 ? {} : { user: text, session: `s-${number}` },
        attribution: { role: 'user', ...(number % 3 === 0 ? {} : { name: text }) },
        ...(number % 5 === 0 ? { valid_from: '2025-03-01T01:00:00.123+01:00' } : {}),
      };
    case 'revised':
      return {
        content: text,
        ...(number % 2 === 0 ? { kind: MEMORY_KINDS[number % MEMORY_KINDS.length] } : {}),
        ...(number % 3 === 0 ? { importance: (number % 7) / 7 } : {}),
      };
    case 'accessed':
      return number % 2 === 0 ? {} : { by: text, rank: 1 + (number % 9) };
    case 'superseded':
      return { by: `m-${number % 4}` };
    case 'forgotten':
      return {};
    case 'extracted':
      return {
        cause,
        extractor: { name: 'local', version: '1' },
        facts: Array.from({ length: number % 4 }, (_, ordinal) => ({
          text: `${text} ${ordinal}`,
          subject: text,
          predicate: 'is',
          object: `o-${number}`,
          confidence: (number % 10) / 10,
        })),
        entities: Array.from({ length: number % 3 }, (_, ordinal) => ({
          name: `name ${(number + ordinal) % 2}`,
          type: 'person',
          mentions: 1 + ordinal,
        })),
        empty_reason: 'may be empty',
        ...use,
      };
    default: {
      const isFact = number % 2 === 0;
      const target = isFact ? { kind: 'fact', fact: number % 3 } : { kind: 'content' };
      return {
        cause,
        embedder: { name: 'lexical', version: '1' },
        space: `space-${number % 2}`,
        target,
        vector: {
          // Content-addressed: the same cause and target give the same.
          content_sha256: cause.sequence.toString(16).padStart(64, '0'),
          dimensions: 4,
        },
        ...use,
      };
    }
  }
}
