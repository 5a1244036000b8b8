import type { ExtractedEntity, MemoryExtracted, MemoryForgotten } from '@memfleet/events';
import { defineProjection, type Position } from '../../kit/define.ts';
import { latest, SEALED } from '../../kit/guards.ts';
import { type Operation, setTable } from '../../kit/tables.ts';

const extractions = setTable('extractions', {
  key: { tenant: 'text', memory: 'text' },
  group: { guard: 'cause_seq', columns: { sequence: 'bigint' } },
  members: {
    facts: {
      key: { ordinal: 'int' },
      columns: {
        text: 'text',
        subject: 'text',
        predicate: 'text',
        object: 'text',
        confidence: 'double precision',
        sequence: 'bigint',
      },
    },
    mentions: {
      key: { name: 'text', type: 'text' },
      columns: { mentions: 'int', sequence: 'bigint' },
    },
  },
});

/** What the extraction found in memories: facts, and the entities they name. */
export const knowledge = defineProjection({
  name: 'knowledge',
  version: 1,
  home: import.meta.url,
  tables: [extractions],
  repeatable: ['memory.forgotten'],
  handlers: { 'memory.extracted': extracted, 'memory.forgotten': forgotten },
});

function extracted({ tenantid, subject, data }: MemoryExtracted, at: Position): Operation[] {
  const { sequence } = at;
  return [
    extractions.replace(
      { tenant: tenantid, memory: subject },
      { guard: latest(data.cause.sequence), row: { sequence } },
      {
        facts: data.facts.map(
          ({ text, subject: about, predicate, object, confidence }, ordinal) => ({
            ordinal,
            text,
            subject: about,
            predicate,
            object,
            confidence,
            sequence,
          }),
        ),
        mentions: summed(data.entities).map(({ name, type, mentions }) => ({
          name,
          type,
          mentions,
          sequence,
        })),
      },
    ),
  ];
}

function forgotten({ tenantid, subject }: MemoryForgotten): Operation[] {
  return [
    extractions.replace(
      { tenant: tenantid, memory: subject },
      { guard: SEALED, row: { sequence: null } },
      { facts: [], mentions: [] },
    ),
  ];
}

/** A model may name an entity twice in its answer; it counts as one. */
function summed(entities: readonly ExtractedEntity[]): ExtractedEntity[] {
  const sums = new Map<string, ExtractedEntity>();
  for (const entity of entities) {
    const id = `${entity.type} ${entity.name}`;
    const before = sums.get(id);
    sums.set(id, { ...entity, mentions: entity.mentions + (before?.mentions ?? 0) });
  }
  return [...sums.values()];
}
