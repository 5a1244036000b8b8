import type { ProjectionFixture } from '../../kit/fixture.ts';

export const fixtures: readonly [ProjectionFixture, ...ProjectionFixture[]] = [
  {
    name: 'every event is one row, even if it is stored twice',
    log: [
      { type: 'memory.created', memory: 'm-1', data: { content: 'Ada drinks tea.' } },
      { type: 'memory.accessed', memory: 'm-1', data: {} },
      { copyOf: 2 },
    ],
    tables: {
      lineage: [
        { type: 'memory.created', memory: 'm-1', sequence: 1 },
        { type: 'memory.accessed', memory: 'm-1', sequence: 2 },
      ],
    },
  },
];
