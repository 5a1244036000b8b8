import type { ProjectionFixture } from '@memfleet/projections';

export const fixtures: readonly [ProjectionFixture, ...ProjectionFixture[]] = [
  {
    name: 'the last content wins, and every revision is a row',
    log: [
      { type: 'memory.created', memory: 'm-1', data: { content: 'a' } },
      { type: 'memory.revised', memory: 'm-1', data: { content: 'b' } },
      { type: 'memory.revised', memory: 'm-1', data: { content: 'c' } },
    ],
    tables: {
      notes: [{ tenant: 'acme', memory: 'm-1', content: 'c', content_seq: 3 }],
      revisions: [{ sequence: 2 }, { sequence: 3 }],
    },
    views: { notes: [{ tenant: 'acme', memory: 'm-1', content: 'c' }] },
  },
];
