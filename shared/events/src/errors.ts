/**
 * Every error this package raises on purpose, in one table: docs/errors.md lists it, and a program can
 * branch on the code. (The idea of one table for all codes is Fastify's.)
 */
export const EVENT_ERRORS = {
  EVENT_INVALID:
    'The event does not fit its schema; correct the named fields and publish it again.',
  EVENT_TOO_LARGE:
    'The event is over the inline limit; store the content elsewhere and publish a reference.',
  EVENT_CONFLICTING_PAYLOAD:
    'Another event with this id is already in the log; give the new fact an id of its own.',
  VERSION_CONFLICT:
    'The memory has moved on since it was read; read it again, decide again, append again.',
  STREAM_MISSING: 'Run `memfleet provision` first.',
  LOG_FULL:
    'The stream is at its limit and refuses new events; raise log.maxBytes or log.maxMessages, then run `memfleet provision`.',
  BROKER_UNAVAILABLE:
    'NATS did not confirm the append; it may or may not be stored. Append the same event again: its id makes that safe.',
  APPEND_HELD_BACK:
    'An earlier event of the same memory could not be appended; append both again, in their order.',
  APPEND_REFUSED: 'The server refused the append and stored none of it; see the cause.',
  CATALOGUE_BROKEN: 'The event catalogue contradicts itself; correct the named definition.',
} as const;

export type EventErrorCode = keyof typeof EVENT_ERRORS;

/** An error with a stable code, a sentence that says what happened, and one that says what to do. */
export class CodedError<Code extends string = string> extends Error {
  override readonly name: string = 'CodedError';
  readonly code: Code;
  readonly hint: string;

  constructor(code: Code, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }
}

export class EventError extends CodedError<EventErrorCode> {
  override readonly name = 'EventError';

  constructor(code: EventErrorCode, message: string, cause?: unknown) {
    super(code, message, EVENT_ERRORS[code], cause);
  }
}

/** Optimistic append lost the race: `actualVersion` is the memory's version in the log now. */
export class VersionConflictError extends CodedError<'VERSION_CONFLICT'> {
  override readonly name = 'VersionConflictError';
  readonly expectedVersion: number;
  readonly actualVersion: number;

  constructor(memory: string, expectedVersion: number, actualVersion: number) {
    super(
      'VERSION_CONFLICT',
      `memory ${memory} is at version ${actualVersion}, not at the expected ${expectedVersion}`,
      EVENT_ERRORS.VERSION_CONFLICT,
    );
    this.expectedVersion = expectedVersion;
    this.actualVersion = actualVersion;
  }
}

/** The id belongs to an event with another payload. The stored event stays as it is. */
export class ConflictingPayloadError extends CodedError<'EVENT_CONFLICTING_PAYLOAD'> {
  override readonly name = 'ConflictingPayloadError';
  readonly sequence: number;

  constructor(id: string, sequence: number) {
    super(
      'EVENT_CONFLICTING_PAYLOAD',
      `event id ${id} is already in the log at sequence ${sequence} with another payload`,
      EVENT_ERRORS.EVENT_CONFLICTING_PAYLOAD,
    );
    this.sequence = sequence;
  }
}
