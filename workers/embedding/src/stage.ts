import { memoryEmbedded, type MemoryEvent, type Producer } from '@memfleet/events';
import { embedding } from '@memfleet/fleet';
import { addSpend, type ProviderGate } from '@memfleet/models';
import type { Embedder } from '@memfleet/recall';
import { type Pool, type StageConfig, transaction } from '@memfleet/runtime';
import { skip, type Stage } from '@memfleet/stages';
import { BoughtVectors } from './bought-vectors.ts';
import { ComputedVectors } from './computed-vectors.ts';
import { total } from './shares.ts';
import { type AddressedVector, storeVectors } from './stored-vectors.ts';
import type { TextVector, TextVectors } from './text-vectors.ts';

const { name: NAME, version: VERSION } = embedding;

/** A text of an event, and the part of the memory that it is. */
interface Target {
  readonly text: string;
  readonly target: { readonly kind: 'content' } | { readonly kind: 'fact'; readonly fact: number };
  /** Distinguishes the derived events of one cause. */
  readonly ordinal: number;
}

export interface EmbeddingOptions {
  readonly embedder: Embedder;
  readonly pool: Pool;
  readonly gate: ProviderGate;
  readonly settings: StageConfig;
}

/**
 * Content → one vector; extracted facts → one vector each. The transaction that records the result stores
 * the vectors in the table; the events that name them go to the log.
 */
export function embeddingStage(options: EmbeddingOptions): Stage<readonly AddressedVector[]> {
  const { embedder } = options;
  const { space, dimensions } = embedder;
  const producer: Producer = {
    name: embedder.name,
    version: embedder.version,
    ...(embedder.model === undefined ? {} : { model: embedder.model }),
  };
  const vectors = vectorsOf(options);
  return {
    name: NAME,
    version: VERSION,
    async handle(event, context) {
      const targets = targetsOf(event);
      if (targets.length === 0) return skip(reasonForNothing(event));
      const answers = await Promise.allSettled(
        targets.map(({ text }) => vectors.of(text, context)),
      );
      const found = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
      const failed = answers.find((one) => one.status === 'rejected');
      if (failed !== undefined) {
        await keep(options, event.tenantid, found);
        throw failed.reason;
      }
      const events = found.map(({ digest, use }, index) => {
        const { target, ordinal } = targets[index] as Target;
        const vector = { content_sha256: digest, dimensions };
        const data = { cause: context.cause, embedder: producer, space, target, vector, ...use };
        return context.derive(memoryEmbedded, data, ordinal);
      });
      const extra = newOf(found);
      return {
        kind: 'done',
        events,
        use: total(found.map(({ use }) => use)),
        ...(extra.length === 0 ? {} : { extra }),
      };
    },
    async persist(db, extras) {
      await storeVectors(db, space, extras.flat());
    },
  };
}

function newOf(found: readonly TextVector[]): AddressedVector[] {
  return found.flatMap(({ digest, vector }) => (vector === undefined ? [] : [{ digest, vector }]));
}

/** Stores the vectors of an event whose other texts failed: they are paid for, and the next try needs them. */
async function keep(
  { pool, embedder: { space } }: EmbeddingOptions,
  tenant: string,
  found: readonly TextVector[],
): Promise<void> {
  const vectors = newOf(found);
  if (vectors.length === 0) return;
  await transaction(pool, async (db) => {
    await storeVectors(db, space, vectors);
    await addSpend(db, NAME, [{ tenant, use: total(found.map(({ use }) => use)) }]);
  });
}

function vectorsOf({ embedder, pool, gate, settings }: EmbeddingOptions): TextVectors {
  const { batch, linger, concurrency, deadline } = settings;
  const common = { db: pool, batch };
  return embedder.remote
    ? new BoughtVectors({
        ...common,
        embedder,
        gate,
        lingerMs: linger,
        concurrency,
        // An event may wait for its call as long as the call itself may take.
        callTimeoutMs: deadline / 2,
      })
    : new ComputedVectors({ ...common, embedder });
}

/** The texts to embed; blank texts have no meaning, and services refuse them. */
function targetsOf(event: MemoryEvent): Target[] {
  switch (event.type) {
    case 'memory.created':
    case 'memory.revised':
      return [
        { text: event.data.content, target: { kind: 'content' as const }, ordinal: 0 },
      ].filter(hasText);
    case 'memory.extracted':
      return event.data.facts
        .map(({ text }, fact) => ({ text, target: { kind: 'fact' as const, fact }, ordinal: fact }))
        .filter(hasText);
    default:
      return [];
  }
}

function hasText({ text }: Target): boolean {
  return text.trim() !== '';
}

function reasonForNothing(event: MemoryEvent): string {
  return event.type === 'memory.extracted' ? 'no facts' : 'no text';
}
