import { CodedError, EventError, type EventErrorCode } from './errors.ts';

/** Codes of what one event is to blame for: it will never be appended as it is. */
const OF_THE_EVENT: ReadonlySet<string> = new Set<EventErrorCode>([
  'EVENT_INVALID',
  'EVENT_TOO_LARGE',
  'EVENT_CONFLICTING_PAYLOAD',
  'VERSION_CONFLICT',
]);

/**
 * Memories of which an event could not be appended and may be yet, as after an outage. Others of the memory
 * would stand before it in the log, so they wait until it is appended.
 */
export class HeldBack {
  /** By memory, the id of the event that it waits for. */
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
