import type { FixtureEvent, ProjectionFixture } from '../../kit/fixture.ts';

/** The extraction of the content at a position. */
function extracted(sequence: number, object: string, people: readonly string[]): FixtureEvent {
  return {
    type: 'memory.extracted',
    memory: 'm-1',
    data: {
      cause: { source: '/fixture', id: '019c1234-0000-7000-8000-000000000001', sequence },
      extractor: { name: 'local', version: '1' },
      facts: [
        {
          text: `Ada drinks ${object}.`,
          subject: 'Ada',
          predicate: 'drinks',
          object,
          confidence: 0.8,
        },
      ],
      entities: people.map((name) => ({ name, type: 'person', mentions: 1 })),
      usage: { calls: 1, input_tokens: 4, output_tokens: 4 },
      cost_usd: 0,
      duration_ms: 1,
      cached: false,
    },
  };
}

export const fixtures: readonly [ProjectionFixture, ...ProjectionFixture[]] = [
  {
    name: 'facts of newer content replace those of older content, in any order of arrival',
    log: [
      { type: 'memory.created', memory: 'm-1', data: { content: 'Ada drinks tea.' } },
      { type: 'memory.revised', memory: 'm-1', data: { content: 'Ada drinks coffee.' } },
      extracted(2, 'coffee', ['Ada']),
      extracted(1, 'tea', ['Ada', 'Bela']),
    ],
    tables: {
      extractions: [{ memory: 'm-1', sequence: 3, cause_seq: 2 }],
      facts: [{ memory: 'm-1', ordinal: 0, object: 'coffee', sequence: 3 }],
      mentions: [{ memory: 'm-1', name: 'Ada', mentions: 1 }],
    },
  },
  {
    name: 'an entity that a model names twice is one entity',
    log: [extracted(1, 'tea', ['Ada', 'Bela', 'Ada'])],
    tables: {
      mentions: [
        { name: 'Ada', mentions: 2 },
        { name: 'Bela', mentions: 1 },
      ],
    },
    views: {
      entities: [
        { name: 'Ada', type: 'person', memories: 1, mentions: 2 },
        { name: 'Bela', type: 'person', memories: 1, mentions: 1 },
      ],
    },
  },
  {
    name: 'a forgotten memory has no facts, even if events follow',
    log: [
      extracted(1, 'tea', ['Ada']),
      { type: 'memory.forgotten', memory: 'm-1', data: {} },
      extracted(5, 'coffee', ['Ada']),
    ],
    tables: { extractions: [{ memory: 'm-1', sequence: null }], facts: [], mentions: [] },
  },
];
