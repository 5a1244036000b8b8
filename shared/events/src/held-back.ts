import { CodedError, EventError, type EventErrorCode } from './errors.ts';

/** Codes of errors for which the event itself is to blame: it will never be appended as it is. */
const OF_THE_EVENT: ReadonlySet<string> = new Set<EventErrorCode>([
  'EVENT_INVALID',
  'EVENT_TOO_LARGE',
  'EVENT_CONFLICTING_PAYLOAD',
  'VERSION_CONFLICT',
]);

/**
 * Memories with an event that could not be appended yet but may be later, as after an outage. Other events
 * of the memory would precede it in the log, so they wait until it is appended.
 */
export class HeldBack {
  /** By memory, the id of the event that the others wait for. */
  readonly #ids = new Map<string, string>();

  /** @throws EventError APPEND_HELD_BACK */
  check(memory: string, id: string): void {
    if ((this.#ids.get(memory) ?? id) === id) return;
    throw new EventError(
      'APPEND_HELD_BACK',
      'the event was not sent: an earlier one of its memory could not be appended',
    );
  }

  appended(memory: string): void {
    this.#ids.delete(memory);
  }

  failed(memory: string, id: string, error: unknown): void {
    const isItsOwn = error instanceof CodedError && OF_THE_EVENT.has((error as CodedError).code);
    if (!isItsOwn && !this.#ids.has(memory)) this.#ids.set(memory, id);
  }
}
