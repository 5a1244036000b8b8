import { setImmediate as breathe } from 'node:timers/promises';
import { type Delivery, RuntimeError } from '@memfleet/runtime';
import type { EventReader, LaneEvent } from './read-event.ts';

/** The events of a stretch of the log, up to the first that only a newer version can read. */
export interface ReadBatch {
  readonly events: readonly LaneEvent[];
  readonly newer: RuntimeError | undefined;
}

/** Events decoded between two looks at the sockets: about a millisecond of work. */
const SLICE = 100;

/**
 * Decodes messages just before they are folded. Until then they wait as bytes: thousands of decoded
 * events would survive the young-generation garbage collections, which costs as much as decoding them.
 * It decodes in slices, so that the transaction running meanwhile gets its answers in time.
 */
export async function readBatch(
  reader: EventReader,
  messages: readonly Delivery[],
): Promise<ReadBatch> {
  const events: LaneEvent[] = [];
  for (const [index, message] of messages.entries()) {
    if (index > 0 && index % SLICE === 0) await breathe();
    const event = reader.read(message);
    if (event.reading.kind === 'newer') {
      const { sequence, reading } = event;
      const newer = new RuntimeError('LANE_HALTED', `position ${sequence}: ${reading.reason}`);
      return { events, newer };
    }
    events.push(event);
  }
  return { events, newer: undefined };
}
