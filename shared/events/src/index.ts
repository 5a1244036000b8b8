export { messageAt } from './message-at.ts';
export type { AppendOptions, Appended, AppendResult, PublisherOptions } from './append-options.ts';
export { Publisher } from './publisher.ts';
export {
  DEFAULT_LIMITS,
  DEFAULT_LOG,
  type Limits,
  type LogNames,
  PreparedEvent,
} from './append.ts';
export {
  CATALOGUE,
  type DataOf,
  type MemoryEvent,
  type MemoryEventType,
} from './catalogue/index.ts';
export { type MemoryAccessed, memoryAccessed } from './catalogue/memory-accessed.ts';
export {
  MEMORY_KINDS,
  type MemoryCreated,
  memoryCreated,
  type MemoryKind,
} from './catalogue/memory-created.ts';
export { type MemoryEmbedded, memoryEmbedded } from './catalogue/memory-embedded.ts';
export {
  ENTITY_TYPES,
  type ExtractedEntity,
  extractedEntity,
  type ExtractedFact,
  extractedFact,
  MAX_ENTITIES,
  MAX_FACTS,
  type MemoryExtracted,
  memoryExtracted,
} from './catalogue/memory-extracted.ts';
export { type MemoryForgotten, memoryForgotten } from './catalogue/memory-forgotten.ts';
export { type MemoryRevised, memoryRevised } from './catalogue/memory-revised.ts';
export { type MemorySuperseded, memorySuperseded } from './catalogue/memory-superseded.ts';
export type { ModelUse, Producer } from './catalogue/model-usage.ts';
export { checkFixtures } from './contract.ts';
export {
  describeIssues,
  type Envelope,
  envelopeSchema,
  type EventOf,
  timestamp,
} from './envelope.ts';
export {
  CodedError,
  ConflictingPayloadError,
  EVENT_ERRORS,
  EventError,
  type EventErrorCode,
  VersionConflictError,
} from './errors.ts';
export {
  defineEventType,
  eventAs,
  type EventFrom,
  type EventType,
  type GoldenFixture,
  latestVersion,
  type Upcaster,
  verbOf,
} from './event-type.ts';
export {
  derivedEventId,
  type EventIdentity,
  eventKey,
  nameBasedId,
  newEventId,
  token,
  TOKEN_PATTERN,
} from './ids.ts';
export { createDerivedEvent, createEvent, type NewEvent, validated } from './new-event.ts';
export { canonicalJson, payloadDigest, samePayload, saysTheSame } from './payload.ts';
export { type Decoded, EventRegistry, registry } from './registry.ts';
export {
  EVENT_CLASSES,
  type EventClass,
  memoryFilter,
  parseStoredSubject,
  publishPattern,
  publishSubject,
  type StoredSubject,
  storedTemplate,
} from './subjects.ts';
export { isStorable, MAX_DEPTH, storableText, unstorable } from './text.ts';
