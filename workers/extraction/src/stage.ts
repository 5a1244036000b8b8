import {
  createDerivedEvent,
  derivedEventId,
  type MemoryCreated,
  type MemoryRevised,
  type ModelUse,
} from '@memfleet/events';
import {
  type PaidResult,
  type ProviderGate,
  type ResultCache,
  storeResults,
} from '@memfleet/models';
import { skip, type Stage } from '@memfleet/stages';
import type { ExtractionInput, Extractor } from './extractor.ts';
import { obtain, type Obtained } from './paid-result.ts';

const NAME = 'extraction';
/** Raised when every event should be extracted anew. */
const VERSION = 1;

/**
 * The extraction stage: content events in, `memory.extracted` out. A paid result is stored in the
 * transaction that records it, and equal content is not paid for again.
 */
export function extractionStage(
  extractor: Extractor,
  gate: ProviderGate,
  cache: ResultCache,
): Stage<PaidResult> {
  return {
    name: NAME,
    version: VERSION,
    async handle(event, context) {
      if (event.type !== 'memory.created' && event.type !== 'memory.revised') {
        return skip(`${event.type} has no content to extract from`);
      }
      const startedAt = performance.now();
      const input = inputOf(event);
      // The local extractor is faster than a look-up, and free.
      const obtained: Obtained = extractor.remote
        ? await obtain(extractor, gate, cache, input, {
            tenant: event.tenantid,
            signal: context.signal,
            waits: context.waits,
          })
        : { output: extractor.extract(input), cached: false };
      const { facts, entities, emptyReason, usage, costUsd } = obtained.output;
      const use: ModelUse = {
        usage,
        cost_usd: costUsd,
        duration_ms: Math.round((performance.now() - startedAt) * 1_000) / 1_000,
        cached: obtained.cached,
      };
      const derived = createDerivedEvent(event, {
        id: derivedEventId(event, NAME, VERSION, 0, context.eventKey),
        type: 'memory.extracted',
        source: `/memfleet/${NAME}`,
        data: {
          cause: { source: event.source, id: event.id, sequence: context.sequence },
          extractor: {
            name: extractor.name,
            version: extractor.version,
            ...(extractor.model === undefined ? {} : { model: extractor.model }),
          },
          facts,
          entities,
          ...(emptyReason === undefined ? {} : { empty_reason: emptyReason }),
          ...use,
        },
      });
      return {
        kind: 'done',
        events: [derived],
        use,
        ...(obtained.paid === undefined ? {} : { extra: obtained.paid }),
      };
    },
    persist: (db, extras) => storeResults(db, NAME, extras),
  };
}

function inputOf(event: MemoryCreated | MemoryRevised): ExtractionInput {
  const { data, time } = event;
  return {
    content: data.content,
    time,
    ...(data.kind === undefined ? {} : { kind: data.kind }),
    ...(event.type === 'memory.created' ? speakerOf(event.data.attribution) : {}),
  };
}

function speakerOf({ name, role }: MemoryCreated['data']['attribution']): { speaker?: string } {
  if (name !== undefined) return { speaker: name };
  return role === 'unknown' ? {} : { speaker: role };
}
