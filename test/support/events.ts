import {
  createDerivedEvent,
  memoryExtracted,
  createEvent,
  derivedEventId,
  type Envelope,
  type MemoryEvent,
  type NewEvent,
} from '@memfleet/events';

/** A memory.created with content, like that of an upstream publisher. */
export function memoryCreated(content: string, overrides: Partial<NewEvent> = {}): Envelope {
  return createEvent({
    tenant: 'acme',
    memory: 'note',
    type: 'memory.created',
    source: '/test',
    data: { content },
    ...overrides,
  });
}

/** A stage's result for an event: one memory.extracted that found nothing, with the right id. */
export function nothingExtracted(
  cause: MemoryEvent,
  sequence: number,
  stage: { readonly name: string; readonly version: number },
): Envelope {
  return createDerivedEvent(memoryExtracted, cause, {
    id: derivedEventId(cause, stage.name, stage.version, 0),
    source: `/stages/${stage.name}`,
    time: cause.time,
    data: {
      cause: { source: cause.source, id: cause.id, sequence },
      extractor: { name: 'test', version: '1' },
      facts: [],
      entities: [],
      empty_reason: 'a test',
      usage: { calls: 1, input_tokens: 0, output_tokens: 0 },
      cost_usd: 0,
      duration_ms: 0,
      cached: false,
    },
  });
}
