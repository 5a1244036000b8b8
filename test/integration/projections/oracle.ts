import { type Envelope, eventKey, type MemoryEvent, registry } from '@memfleet/events';
import { analyse } from '../../../shared/projections/src/text/analyse.ts';

/**
 * The expected contents of the read models, implemented a second time as simply as possible: one event after
 * the other, each once, into plain objects. It shares only the analysis of texts with the projections.
 */
export interface ExpectedTables extends Readonly<Record<string, readonly object[]>> {
  readonly memories: readonly object[];
  readonly accesses: readonly object[];
  readonly embeddings: readonly object[];
  readonly facts: readonly object[];
  readonly mentions: readonly object[];
  readonly entities: readonly object[];
  readonly lineage: readonly object[];
}

interface Memory {
  tenant: string;
  memory: string;
  content: string | null;
  contentSequence: number;
  kind: string | null;
  importance: number | null;
  created: Extract<MemoryEvent, { type: 'memory.created' }> | undefined;
  position: number | null;
  hasRevisedContent: boolean;
  hasRevisedKind: boolean;
  hasRevisedImportance: boolean;
  revisedAt: string | null;
  supersededBy: string | null;
  supersededAt: string | null;
  forgottenAt: string | null;
  sequence: number;
}

interface Mention {
  tenant: string;
  memory: string;
  name: string;
  type: string;
  mentions: number;
  sequence: number;
}

interface Access {
  tenant: string;
  memory: string;
  at: number;
}

export function expectedTables(log: readonly Envelope[]): ExpectedTables {
  const memories = new Map<string, Memory>();
  const forgotten = new Set<string>();
  const accesses: (Access & { row: object })[] = [];
  const embeddings = new Map<string, { owner: string; cause: number; row: object }>();
  const extractions = new Map<string, { cause: number; facts: object[]; mentions: Mention[] }>();
  const lineage: object[] = [];
  const seen = new Set<string>();

  for (const [index, envelope] of log.entries()) {
    const sequence = index + 1;
    const key = eventKey(envelope);
    if (seen.has(key)) continue;
    seen.add(key);
    const decoded = registry.upcast(envelope);
    if (decoded.kind !== 'known') throw new Error(`position ${sequence}: ${decoded.kind}`);
    const { event } = decoded;
    const tenant = event.tenantid;
    const memory = event.subject;
    const owner = `${tenant}/${memory}`;
    const time = instant(event.time);
    lineage.push({
      event_key: key,
      event_id: event.id,
      tenant,
      memory,
      source: event.source,
      type: event.type,
      sequence,
      time,
      correlation_id: event.correlationid,
      causation_id: event.causationid,
    });
    const known = (): Memory => {
      const found = memories.get(owner) ?? blank(tenant, memory);
      memories.set(owner, found);
      found.sequence = sequence;
      return found;
    };
    switch (event.type) {
      case 'memory.created': {
        if (memories.get(owner)?.created !== undefined) break;
        const row = known();
        row.created = event;
        row.position = sequence;
        if (!row.hasRevisedContent && !forgotten.has(owner)) {
          row.content = event.data.content;
          row.contentSequence = sequence;
        }
        if (!row.hasRevisedKind) row.kind = event.data.kind;
        if (!row.hasRevisedImportance) row.importance = event.data.importance;
        break;
      }
      case 'memory.revised': {
        const row = known();
        row.hasRevisedContent = true;
        if (!forgotten.has(owner)) row.content = event.data.content;
        row.contentSequence = sequence;
        row.revisedAt = time;
        if (event.data.kind !== undefined) {
          row.kind = event.data.kind;
          row.hasRevisedKind = true;
        }
        if (event.data.importance !== undefined) {
          row.importance = event.data.importance;
          row.hasRevisedImportance = true;
        }
        break;
      }
      case 'memory.accessed':
        accesses.push({
          tenant,
          memory,
          at: Date.parse(event.time),
          row: {
            event_key: key,
            tenant,
            memory,
            accessed_at: time,
            accessed_by: event.data.by ?? null,
            rank: event.data.rank ?? null,
            sequence,
          },
        });
        break;
      case 'memory.superseded': {
        const row = known();
        row.supersededBy = event.data.by;
        row.supersededAt = time;
        break;
      }
      case 'memory.forgotten': {
        if (!forgotten.has(owner)) known().forgottenAt = time;
        forgotten.add(owner);
        const row = memories.get(owner);
        if (row !== undefined) row.content = null;
        extractions.delete(owner);
        for (const [id, each] of embeddings) if (each.owner === owner) embeddings.delete(id);
        break;
      }
      case 'memory.extracted': {
        const cause = event.data.cause.sequence;
        if (forgotten.has(owner) || cause < (extractions.get(owner)?.cause ?? 0)) break;
        const counts = new Map<string, { name: string; type: string; mentions: number }>();
        for (const { name, type, mentions } of event.data.entities) {
          const id = `${name}/${type}`;
          const sum = (counts.get(id)?.mentions ?? 0) + mentions;
          counts.set(id, { name, type, mentions: sum });
        }
        extractions.set(owner, {
          cause,
          facts: event.data.facts.map((fact, ordinal) => ({
            tenant,
            memory,
            ordinal,
            text: fact.text,
            subject: fact.subject,
            predicate: fact.predicate,
            object: fact.object,
            confidence: fact.confidence,
            sequence,
          })),
          mentions: [...counts.values()].map(({ name, type, mentions }) => ({
            tenant,
            memory,
            name,
            type,
            mentions,
            sequence,
          })),
        });
        break;
      }
      case 'memory.embedded': {
        const { target, space, vector, cause } = event.data;
        const ordinal = target.kind === 'fact' ? target.fact : 0;
        const id = [owner, target.kind, ordinal, space].join('/');
        if (forgotten.has(owner) || cause.sequence < (embeddings.get(id)?.cause ?? 0)) break;
        embeddings.set(id, {
          owner,
          cause: cause.sequence,
          row: {
            tenant,
            memory,
            target: target.kind,
            ordinal,
            space,
            content_sha256: vector.content_sha256,
            sequence: cause.sequence,
          },
        });
        break;
      }
      default:
        throw new Error('the oracle lags behind the catalogue');
    }
  }
  const mentions = [...extractions.values()].flatMap((each) => each.mentions);
  return {
    memories: [...memories.values()].map((row) => memoryRow(row, accesses)),
    accesses: accesses.map(({ row }) => row),
    embeddings: [...embeddings.values()].map(({ row }) => row),
    facts: [...extractions.values()].flatMap(({ facts }) => facts),
    mentions,
    entities: entitiesOf(mentions),
    lineage,
  };
}

function entitiesOf(mentions: readonly Mention[]): object[] {
  const sums = new Map<
    string,
    { tenant: string; name: string; type: string; memories: number; mentions: number }
  >();
  for (const { tenant, name, type, mentions: count } of mentions) {
    const id = [tenant, name, type].join('/');
    const before = sums.get(id) ?? { tenant, name, type, memories: 0, mentions: 0 };
    sums.set(id, { ...before, memories: before.memories + 1, mentions: before.mentions + count });
  }
  return [...sums.values()];
}

function blank(tenant: string, memory: string): Memory {
  return {
    tenant,
    memory,
    content: null,
    contentSequence: 0,
    kind: null,
    importance: null,
    created: undefined,
    position: null,
    hasRevisedContent: false,
    hasRevisedKind: false,
    hasRevisedImportance: false,
    revisedAt: null,
    supersededBy: null,
    supersededAt: null,
    forgottenAt: null,
    sequence: 0,
  };
}

function memoryRow(row: Memory, accesses: readonly Access[]): object {
  const { tenant, memory, created } = row;
  const own = accesses.filter((each) => each.tenant === tenant && each.memory === memory);
  const data = created?.data;
  return {
    tenant,
    memory,
    content: row.content,
    kind: row.kind,
    importance: row.importance,
    scope_user: data?.scope.user ?? null,
    scope_agent: data?.scope.agent ?? null,
    scope_session: data?.scope.session ?? null,
    speaker_role: data?.attribution.role ?? null,
    speaker_name: data?.attribution.name ?? null,
    valid_from: data?.valid_from === undefined ? null : instant(data.valid_from),
    created_at: created === undefined ? null : instant(created.time),
    revised_at: row.revisedAt,
    superseded_by: row.supersededBy,
    superseded_at: row.supersededAt,
    forgotten_at: row.forgottenAt,
    access_count: own.length,
    last_accessed_at:
      own.length === 0 ? null : new Date(Math.max(...own.map(({ at }) => at))).toISOString(),
    sequence: row.sequence,
    position: row.position,
    content_sequence: row.content === null ? null : row.contentSequence,
    ...indexed(row.content),
  };
}

/** The search terms of a content: other tests prove the analysis, here it only has to match the content. */
function indexed(content: string | null): object {
  if (content === null) return { language: null, lexemes: null, length: null };
  return analyse(content);
}

function instant(time: string): string {
  return new Date(time).toISOString();
}
