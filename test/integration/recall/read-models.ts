import {
  createEvent,
  type DataOf,
  type Envelope,
  eventKey,
  type MemoryEventType,
  nameBasedId,
  registry,
} from '@memfleet/events';
import {
  Fold,
  handlerOf,
  type Projection,
  PROJECTIONS,
  ProjectionWriter,
} from '@memfleet/projections';
import type { LocalEmbedder } from '@memfleet/recall';
import type { Queryable } from '@memfleet/runtime';
import {
  type AddressedVector,
  contentDigest,
  storeVectors,
} from '../../../workers/embedding/src/stored-vectors.ts';

const READ = PROJECTIONS.filter(({ name }) => name !== 'lineage');

/** The tables and views of the projections that recall reads, as provisioning makes them. */
export const READ_MODELS = [
  'begin; create schema memory;',
  ...READ.flatMap(({ name, tablesSql, viewsSql }) => [
    `create schema ${name}_1; set local search_path to ${name}_1;`,
    tablesSql,
    `create table applied (event_key uuid not null, memory text not null);`,
    viewsSql,
  ]),
  'commit;',
].join('\n');

export interface Remembered {
  readonly tenant?: string;
  readonly memory: string;
  /** Null for a memory of which only facts are known. */
  readonly content: string | null;
  readonly facts?: readonly string[];
  readonly superseded?: boolean;
  readonly forgotten?: boolean;
  readonly user?: string;
  readonly agent?: string;
  readonly session?: string;
  readonly speaker?: string;
  readonly kind?: DataOf<'memory.created'>['kind'];
  readonly importance?: number;
  readonly language?: string;
  /** Default: seconds after 2026-01-01T00:00:00Z, in the order in which they are given. */
  readonly time?: string;
}

/** Folds events into the read models as projections do, a call after the other. */
export class ReadModels {
  readonly #db: Queryable;
  readonly #embedder: LocalEmbedder | undefined;
  readonly #writers = READ.map((projection) => ({
    projection,
    writer: new ProjectionWriter(projection, `${projection.name}_1`),
  }));
  #position = 0;
  #folds = new Map<Projection, Fold>();
  #vectors: AddressedVector[] = [];

  constructor(db: Queryable, embedder: LocalEmbedder | undefined) {
    this.#db = db;
    this.#embedder = embedder;
  }

  async remember(memories: readonly Remembered[]): Promise<void> {
    for (const item of memories) this.#remember(item);
    await this.#write();
  }

  /** One event of any type. */
  async happen<Type extends MemoryEventType>(
    tenant: string,
    memory: string,
    type: Type,
    data: DataOf<Type>,
  ): Promise<void> {
    this.#append(tenant, memory, type, data);
    await this.#write();
  }

  #remember(item: Remembered): void {
    const { tenant = 'acme', memory, content, facts = [] } = item;
    const { user, agent, session, speaker, kind, importance, language } = item;
    if (content !== null) {
      const cause = this.#append(
        tenant,
        memory,
        'memory.created',
        {
          content,
          scope: {
            ...(user === undefined ? {} : { user }),
            ...(agent === undefined ? {} : { agent }),
            ...(session === undefined ? {} : { session }),
          },
          ...(speaker === undefined ? {} : { attribution: { role: 'user', name: speaker } }),
          ...(kind === undefined ? {} : { kind }),
          ...(importance === undefined ? {} : { importance }),
          ...(language === undefined ? {} : { language }),
        },
        item.time,
      );
      this.#embed(tenant, memory, content, { kind: 'content' }, cause);
    }
    if (facts.length > 0) this.#learn(tenant, memory, facts);
    if (item.superseded === true) {
      this.#append(tenant, memory, 'memory.superseded', { by: 'newer' });
    }
    if (item.forgotten === true) this.#append(tenant, memory, 'memory.forgotten', {});
  }

  #learn(tenant: string, memory: string, facts: readonly string[]): void {
    const cause = this.#position;
    const extraction = this.#append(tenant, memory, 'memory.extracted', {
      cause: { source: '/test', id: nameBasedId('test', String(cause)), sequence: cause + 1 },
      extractor: { name: 'test', version: '1' },
      facts: facts.map((text) => ({
        text,
        subject: 's',
        predicate: 'p',
        object: 'o',
        confidence: 1,
      })),
      entities: [],
      ...USE,
    });
    for (const [fact, text] of facts.entries()) {
      this.#embed(tenant, memory, text, { kind: 'fact', fact }, extraction);
    }
  }

  #embed(
    tenant: string,
    memory: string,
    text: string,
    target: DataOf<'memory.embedded'>['target'],
    sequence: number,
  ): void {
    const embedder = this.#embedder;
    if (embedder === undefined) return;
    const [vector] = embedder.embed([text]);
    if (vector === undefined) throw new Error('a vector is missing');
    const digest = contentDigest(text);
    this.#vectors.push({ digest, vector });
    this.#append(tenant, memory, 'memory.embedded', {
      cause: { source: '/test', id: nameBasedId('test', String(sequence)), sequence },
      embedder: { name: embedder.name, version: embedder.version },
      space: embedder.space,
      target,
      vector: { content_sha256: digest, dimensions: embedder.dimensions },
      ...USE,
    });
  }

  #append<Type extends MemoryEventType>(
    tenant: string,
    memory: string,
    type: Type,
    data: DataOf<Type>,
    time?: string,
  ): number {
    this.#position += 1;
    const sequence = this.#position;
    const envelope: Envelope = createEvent({
      tenant,
      memory,
      type,
      data,
      source: '/test',
      id: nameBasedId('test', String(sequence)),
      time: time ?? new Date(Date.UTC(2026, 0, 1) + sequence * 1_000).toISOString(),
    });
    const decoded = registry.upcast(envelope);
    if (decoded.kind !== 'known') throw new Error(`the event is ${decoded.kind}`);
    const { event } = decoded;
    for (const { projection } of this.#writers) {
      const handler = handlerOf(projection, event.type);
      if (handler === undefined) continue;
      const fold = this.#folds.get(projection) ?? new Fold();
      this.#folds.set(projection, fold);
      for (const operation of handler(event, { sequence, eventKey: eventKey(envelope) })) {
        fold.add(operation);
      }
    }
    return sequence;
  }

  async #write(): Promise<void> {
    for (const { projection, writer } of this.#writers) {
      const fold = this.#folds.get(projection);
      if (fold !== undefined) await writer.prepare(fold).write(this.#db);
    }
    this.#folds = new Map();
    const vectors = this.#vectors;
    this.#vectors = [];
    if (this.#embedder !== undefined && vectors.length > 0) {
      await storeVectors(this.#db, this.#embedder.space, vectors);
    }
  }
}

const USE = {
  usage: { calls: 1, input_tokens: 1, output_tokens: 0 },
  cost_usd: 0,
  duration_ms: 1,
  cached: false,
} as const;

/** Fills the read models once. */
export async function remember(
  db: Queryable,
  embedder: LocalEmbedder | undefined,
  memories: readonly Remembered[],
): Promise<ReadModels> {
  const models = new ReadModels(db, embedder);
  await models.remember(memories);
  return models;
}
