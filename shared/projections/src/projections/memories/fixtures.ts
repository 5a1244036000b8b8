import type { ProjectionFixture } from '../../kit/fixture.ts';

const use = {
  usage: { calls: 1, input_tokens: 4, output_tokens: 0 },
  cost_usd: 0,
  duration_ms: 1,
  cached: false,
} as const;

const cause = (sequence: number) => ({
  source: '/fixture',
  id: '019c1234-0000-7000-8000-000000000001',
  sequence,
});

const vector = (of: string) => ({ content_sha256: of.repeat(64), dimensions: 4 });

export const fixtures: readonly [ProjectionFixture, ...ProjectionFixture[]] = [
  {
    name: 'content is indexed by its lexemes, in the declared or else the detected language',
    log: [
      {
        type: 'memory.created',
        memory: 'm-1',
        data: { content: 'Ada prefers tea to coffee.' },
      },
      { type: 'memory.created', memory: 'm-2', data: { content: 'Teestunden', language: 'de' } },
      { type: 'memory.created', memory: 'm-3', data: { content: '緑茶が好き' } },
      { type: 'memory.revised', memory: 'm-2', data: { content: 'We had tea at noon.' } },
    ],
    tables: {
      memories: [
        { memory: 'm-1', language: 'en', lexemes: ' ada  prefer  tea . coffe ', length: 4 },
        { memory: 'm-2', language: 'en', lexemes: '.. tea . noon ', length: 2 },
        { memory: 'm-3', language: 'und', lexemes: ' 緑  緑茶  茶 . 好 .', length: 4 },
      ],
    },
  },
  {
    name: 'a revision replaces the content, and keeps everything it does not mention',
    log: [
      {
        type: 'memory.created',
        memory: 'm-1',
        data: { content: 'Ada drinks tea.', kind: 'preference', importance: 0.7 },
      },
      { type: 'memory.revised', memory: 'm-1', data: { content: 'Ada drinks coffee.' } },
    ],
    tables: {
      memories: [
        { memory: 'm-1', content: 'Ada drinks coffee.', kind: 'preference', importance: 0.7 },
      ],
      accesses: [],
      embeddings: [],
    },
    views: {
      memories: [
        {
          memory: 'm-1',
          content: 'Ada drinks coffee.',
          created_at: '2026-01-01T00:00:01+00:00',
          revised_at: '2026-01-01T00:00:02+00:00',
          access_count: 0,
          sequence: 2,
        },
      ],
    },
  },
  {
    name: 'a recall is counted once, even if it is stored repeatedly',
    log: [
      { type: 'memory.created', memory: 'm-1', data: { content: 'Ada drinks tea.' } },
      {
        type: 'memory.accessed',
        memory: 'm-1',
        time: '2026-02-01T08:00:00Z',
        data: { by: 'agent' },
      },
      { type: 'memory.accessed', memory: 'm-1', time: '2026-02-02T08:00:00Z', data: {} },
      { copyOf: 2 },
    ],
    tables: {
      accesses: [
        { memory: 'm-1', accessed_by: 'agent', sequence: 2 },
        { memory: 'm-1', accessed_by: null, sequence: 3 },
      ],
    },
    views: {
      memories: [{ memory: 'm-1', access_count: 2, last_accessed_at: '2026-02-02T08:00:00+00:00' }],
    },
  },
  {
    name: 'a forgotten memory does not come back, not even through a late vector',
    log: [
      { type: 'memory.created', memory: 'm-1', data: { content: 'Ada lives in Porto.' } },
      {
        type: 'memory.embedded',
        memory: 'm-1',
        data: {
          cause: cause(1),
          embedder: { name: 'lexical', version: '1' },
          space: 'lexical-4',
          target: { kind: 'content' },
          vector: vector('a'),
          ...use,
        },
      },
      { type: 'memory.forgotten', memory: 'm-1', data: {} },
      { type: 'memory.revised', memory: 'm-1', data: { content: 'Ada lives in Lagos.' } },
      {
        type: 'memory.embedded',
        memory: 'm-1',
        data: {
          cause: cause(4),
          embedder: { name: 'lexical', version: '1' },
          space: 'lexical-4',
          target: { kind: 'content' },
          vector: vector('b'),
          ...use,
        },
      },
    ],
    tables: {
      memories: [{ memory: 'm-1', content: null, language: null, lexemes: null, length: null }],
      embeddings: [],
    },
    views: {
      memories: [{ memory: 'm-1', content: null, forgotten_at: '2026-01-01T00:00:03+00:00' }],
    },
  },
  {
    name: 'a vector of older content does not replace that of newer content',
    log: [
      { type: 'memory.created', memory: 'm-1', data: { content: 'old' } },
      { type: 'memory.revised', memory: 'm-1', data: { content: 'new' } },
      ...[2, 1].map((sequence) => ({
        type: 'memory.embedded' as const,
        memory: 'm-1',
        data: {
          cause: cause(sequence),
          embedder: { name: 'lexical', version: '1' },
          space: 'lexical-4',
          target: { kind: 'content' as const },
          vector: vector(String(sequence)),
          ...use,
        },
      })),
    ],
    tables: {
      embeddings: [
        { memory: 'm-1', target: 'content', content_sha256: '2'.repeat(64), sequence: 2 },
      ],
    },
  },
];
