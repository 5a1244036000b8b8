import { defineProjection, keyedTable, latest, logTable } from '@memfleet/projections';

const table = keyedTable('notes', {
  key: { tenant: 'text', memory: 'text' },
  groups: { content: { guard: 'content_seq', columns: { content: 'text' } } },
});

const revisions = logTable('revisions', { columns: { memory: 'text' } });

/** Like a beginner's projection: nothing is declared repeatable, and some contents make it fail. */
export const notes = defineProjection({
  name: 'notes',
  version: 1,
  home: import.meta.url,
  tables: [table, revisions],
  handlers: {
    'memory.created': ({ tenantid, subject, data }, at) => {
      if (data.content === 'thrown') throw new Error('no such note');
      return [
        table.write(
          { tenant: tenantid, memory: subject },
          { content: { guard: latest(at.sequence), row: { content: data.content } } },
        ),
      ];
    },
    'memory.revised': ({ tenantid, subject, data }, at) => [
      table.write(
        { tenant: tenantid, memory: subject },
        { content: { guard: latest(at.sequence), row: { content: data.content } } },
      ),
      revisions.add(at, { memory: subject }),
    ],
  },
});
