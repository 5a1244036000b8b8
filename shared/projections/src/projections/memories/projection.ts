import type {
  MemoryAccessed,
  MemoryCreated,
  MemoryEmbedded,
  MemoryForgotten,
  MemoryRevised,
  MemorySuperseded,
} from '@memfleet/events';
import { defineProjection, type Position } from '../../kit/define.ts';
import { earliest, latest, SEALED } from '../../kit/guards.ts';
import { keyedTable, logTable, type Operation } from '../../kit/tables.ts';
import { analyse, ANALYSIS_VERSION } from '../../text/analyse.ts';

const memoriesTable = keyedTable('memories', {
  key: { tenant: 'text', memory: 'text' },
  groups: {
    content: {
      guard: 'content_seq',
      columns: { content: 'text', language: 'text', lexemes: 'text', length: 'int' },
    },
    kind: { guard: 'kind_seq', columns: { kind: 'text' } },
    importance: { guard: 'importance_seq', columns: { importance: 'double precision' } },
    origin: {
      guard: 'origin_seq',
      columns: {
        scope_user: 'text',
        scope_agent: 'text',
        scope_session: 'text',
        speaker_role: 'text',
        speaker_name: 'text',
        valid_from: 'timestamptz',
        created_at: 'timestamptz',
      },
    },
    revision: { guard: 'revised_seq', columns: { revised_at: 'timestamptz' } },
    superseded: {
      guard: 'superseded_seq',
      columns: { superseded_by: 'text', superseded_at: 'timestamptz' },
    },
    forgotten: { guard: 'forgotten_seq', columns: { forgotten_at: 'timestamptz' } },
  },
});

const accesses = logTable('accesses', {
  columns: {
    tenant: 'text',
    memory: 'text',
    accessed_at: 'timestamptz',
    accessed_by: 'text',
    rank: 'int',
  },
});

const embeddings = keyedTable('embeddings', {
  key: { tenant: 'text', memory: 'text', target: 'text', ordinal: 'int', space: 'text' },
  groups: { vector: { guard: 'sequence', columns: { content_sha256: 'text' } } },
  sealedBy: { owner: memoriesTable, group: 'content' },
});

/**
 * The memories: their content and its search terms, a short history, how often each was recalled, and
 * their vectors. Another analysis of the text gives other tables.
 */
export const memories = defineProjection({
  name: 'memories',
  version: 2 + ANALYSIS_VERSION,
  home: import.meta.url,
  tables: [memoriesTable, accesses, embeddings],
  // First wins, keyed by event, sealed, guarded by the cause: a later copy changes nothing.
  repeatable: ['memory.created', 'memory.accessed', 'memory.forgotten', 'memory.embedded'],
  handlers: {
    'memory.created': created,
    'memory.revised': revised,
    'memory.accessed': accessed,
    'memory.superseded': superseded,
    'memory.forgotten': forgotten,
    'memory.embedded': embedded,
  },
});

function created({ tenantid, subject, time, data }: MemoryCreated, at: Position): Operation[] {
  const guard = earliest(at.sequence);
  const { content, kind, importance, scope, attribution, valid_from, language } = data;
  return [
    memoriesTable.write(
      { tenant: tenantid, memory: subject },
      {
        content: { guard, row: indexed(content, language) },
        kind: { guard, row: { kind } },
        importance: { guard, row: { importance } },
        origin: {
          guard,
          row: {
            scope_user: scope.user ?? null,
            scope_agent: scope.agent ?? null,
            scope_session: scope.session ?? null,
            speaker_role: attribution.role,
            speaker_name: attribution.name ?? null,
            valid_from: valid_from ?? null,
            created_at: time,
          },
        },
      },
    ),
  ];
}

function revised({ tenantid, subject, time, data }: MemoryRevised, at: Position): Operation[] {
  const guard = latest(at.sequence);
  const { content, kind, importance, language } = data;
  return [
    memoriesTable.write(
      { tenant: tenantid, memory: subject },
      {
        content: { guard, row: indexed(content, language) },
        revision: { guard, row: { revised_at: time } },
        ...(kind === undefined ? {} : { kind: { guard, row: { kind } } }),
        ...(importance === undefined ? {} : { importance: { guard, row: { importance } } }),
      },
    ),
  ];
}

/** The content and its search terms, in the declared or else the detected language. */
function indexed(content: string, declared: string | undefined) {
  const { language, lexemes, length } = analyse(content, declared);
  return { content, language, lexemes, length };
}

function accessed({ tenantid, subject, time, data }: MemoryAccessed, at: Position): Operation[] {
  return [
    accesses.add(at, {
      tenant: tenantid,
      memory: subject,
      accessed_at: time,
      accessed_by: data.by ?? null,
      rank: data.rank ?? null,
    }),
  ];
}

function superseded(
  { tenantid, subject, time, data }: MemorySuperseded,
  at: Position,
): Operation[] {
  const row = { superseded_by: data.by, superseded_at: time };
  return [
    memoriesTable.write(
      { tenant: tenantid, memory: subject },
      { superseded: { guard: latest(at.sequence), row } },
    ),
  ];
}

/** Removes content and vectors for ever; keeps that the memory existed and when it was forgotten. */
function forgotten({ tenantid, subject, time }: MemoryForgotten, at: Position): Operation[] {
  return [
    memoriesTable.write(
      { tenant: tenantid, memory: subject },
      {
        content: {
          guard: SEALED,
          row: { content: null, language: null, lexemes: null, length: null },
        },
        forgotten: { guard: earliest(at.sequence), row: { forgotten_at: time } },
      },
    ),
  ];
}

function embedded({ tenantid, subject, data }: MemoryEmbedded): Operation[] {
  const { target, space, vector, cause } = data;
  return [
    embeddings.write(
      {
        tenant: tenantid,
        memory: subject,
        target: target.kind,
        ordinal: target.kind === 'fact' ? target.fact : 0,
        space,
      },
      {
        vector: {
          guard: latest(cause.sequence),
          row: { content_sha256: vector.content_sha256 },
        },
      },
    ),
  ];
}
