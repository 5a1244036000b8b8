import {
  extractedEntity,
  extractedFact,
  type MemoryCreated,
  memoryExtracted,
  type MemoryRevised,
  type ModelUse,
} from '@memfleet/events';
import { extraction } from '@memfleet/fleet';
import { type Asker, type Paid, PaidCalls, type PaidResult } from '@memfleet/models';
import { skip, type Stage, type StageSetup } from '@memfleet/stages';
import { z } from 'zod';
import {
  cacheKey,
  type ExtractionInput,
  type Extractor,
  type LocalExtractor,
  type RemoteExtractor,
} from './extractor.ts';

const { name: NAME, version: VERSION } = extraction;
/** The share of an event's deadline that its call may take. */
const CALL_SHARE = 0.8;

/** The result of extracting a text, paid or free. */
const finding = z.object({
  facts: z.array(extractedFact),
  entities: z.array(extractedEntity),
  emptyReason: z.string().exactOptional(),
});
type Finding = z.output<typeof finding>;

/**
 * The extraction stage: content events in, `memory.extracted` out. A paid result is stored in the
 * transaction that records it, and equal content is not paid for again.
 */
export function extractionStage(
  extractor: Extractor,
  { settings, gate, cache }: Pick<StageSetup, 'settings' | 'gate' | 'cache'>,
): Stage<PaidResult> {
  const timeoutMs = settings.deadline * CALL_SHARE;
  const calls = new PaidCalls({ stage: NAME, gate, cache, schema: finding, timeoutMs });
  return {
    name: NAME,
    version: VERSION,
    async handle(event, context) {
      if (event.type !== 'memory.created' && event.type !== 'memory.revised') {
        return skip(`${event.type} has no content to extract from`);
      }
      const input = inputOf(event);
      // The local extractor is faster than a look-up, and free.
      const { result, use, extra } = extractor.remote
        ? await ask(calls, extractor, input, context)
        : extracted(extractor, input);
      const { facts, entities, emptyReason } = result;
      const derived = context.derive(memoryExtracted, {
        cause: context.cause,
        extractor: {
          name: extractor.name,
          version: extractor.version,
          ...(extractor.model === undefined ? {} : { model: extractor.model }),
        },
        facts,
        entities,
        ...(emptyReason === undefined ? {} : { empty_reason: emptyReason }),
        ...use,
      });
      return { kind: 'done', events: [derived], use, ...(extra === undefined ? {} : { extra }) };
    },
    persist: calls.persist,
  };
}

async function ask(
  calls: PaidCalls<Finding>,
  extractor: RemoteExtractor,
  input: ExtractionInput,
  asker: Asker,
): Promise<Paid<Finding>> {
  const { name, version, model = '' } = extractor;
  const expected = extractor.estimate?.(input);
  return await calls.ask(
    {
      key: [name, version, model, cacheKey(input)],
      ...(expected === undefined ? {} : { expected }),
      call: async (signal) => {
        const { usage, costUsd, ...result } = await extractor.extract(input, signal);
        return { result, usage, costUsd };
      },
    },
    asker,
  );
}

function extracted(extractor: LocalExtractor, input: ExtractionInput): Paid<Finding> {
  const startedAt = performance.now();
  const { usage, costUsd, ...result } = extractor.extract(input);
  const use: ModelUse = {
    usage,
    cost_usd: costUsd,
    duration_ms: Math.round((performance.now() - startedAt) * 1_000) / 1_000,
    cached: false,
  };
  return { result, use };
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
