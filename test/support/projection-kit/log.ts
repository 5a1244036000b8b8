import { type Envelope, eventKey, type MemoryEvent, registry } from '@memfleet/events';
import type { Projection } from '@memfleet/projections';
import { ProjectionFault } from './fault.ts';
import { deepFrozen } from './frozen-globals.ts';

/** An event as a projection receives it, at a position of the log. */
export interface Entry {
  readonly sequence: number;
  readonly event: MemoryEvent;
  readonly eventKey: string;
  /** It is a copy of an event at an earlier position. */
  readonly isCopy: boolean;
}

/**
 * Decodes a log. Positions are `step` apart, and so are those that events name as their causes: with room
 * between them, copies fit anywhere without moving other events.
 * @throws ProjectionFault when the log itself is not readable
 */
export function readLog(
  projection: Projection,
  envelopes: readonly Envelope[],
  step: number,
): Entry[] {
  const seen = new Set<string>();
  return envelopes.map((envelope, index) => {
    const decoded = registry.upcast(envelope);
    if (decoded.kind !== 'known') {
      throw new ProjectionFault({
        projection: projection.name,
        check: 'reading',
        what: `event ${index + 1} of the log cannot be read: ${decoded.reason}`,
        hint: 'fix the fixture or the generator; the projection has not run yet',
      });
    }
    const key = eventKey(envelope);
    const isCopy = seen.has(key);
    seen.add(key);
    const event = deepFrozen(withCause(structuredClone(decoded.event), (cause) => cause * step));
    return { sequence: (index + 1) * step, event, eventKey: key, isCopy };
  });
}

/** The event at another position, with the position of its cause moved too, if it names one. */
export function moved(entry: Entry, by: number): Entry {
  const event = withCause(structuredClone(entry.event), (cause) => cause + by);
  return { ...entry, sequence: entry.sequence + by, event: deepFrozen(event) };
}

function withCause(event: MemoryEvent, position: (of: number) => number): MemoryEvent {
  const cause: unknown = 'cause' in event.data ? event.data.cause : undefined;
  if (!isCause(cause)) return event;
  const data = { ...event.data, cause: { ...cause, sequence: position(cause.sequence) } };
  // Spreading a union of events loses the tie between type and data; only a number has changed.
  return { ...event, data } as MemoryEvent;
}

function isCause(cause: unknown): cause is { readonly sequence: number } {
  return (
    typeof cause === 'object' &&
    cause !== null &&
    'sequence' in cause &&
    typeof cause.sequence === 'number'
  );
}

/** `position 30, memory.revised of t-0/m-1` */
export function shownEntry({ sequence, event, isCopy }: Entry): string {
  const { type, tenantid, subject } = event;
  return `position ${sequence}, ${type} of ${tenantid}/${subject}${isCopy ? ' (a copy)' : ''}`;
}
