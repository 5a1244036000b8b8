import type { MemoryEvent } from '@memfleet/events';
import { defineProjection, type Position } from '../../kit/define.ts';
import { logTable, type Operation } from '../../kit/tables.ts';

const lineageTable = logTable('lineage', {
  columns: {
    event_id: 'text',
    tenant: 'text',
    memory: 'text',
    source: 'text',
    type: 'text',
    time: 'timestamptz',
    correlation_id: 'text',
    causation_id: 'text',
  },
  // It sees every event, of any type.
  reportsCopies: true,
});

/** Which event led to which. */
export const lineage = defineProjection({
  name: 'lineage',
  version: 1,
  home: import.meta.url,
  tables: [lineageTable],
  // One row per event, keyed by the event: a later copy changes nothing.
  repeatable: 'every',
  handlers: {},
  every: recorded,
});

function recorded(event: MemoryEvent, at: Position): Operation[] {
  return [
    lineageTable.add(at, {
      event_id: event.id,
      tenant: event.tenantid,
      memory: event.subject,
      source: event.source,
      type: event.type,
      time: event.time,
      correlation_id: event.correlationid,
      causation_id: event.causationid,
    }),
  ];
}
