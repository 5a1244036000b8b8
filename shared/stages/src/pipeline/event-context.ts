import {
  createDerivedEvent,
  derivedEventId,
  type Envelope,
  type EventType,
  type MemoryEvent,
} from '@memfleet/events';
import type { z } from 'zod';
import type { Job } from '../job.ts';
import type { StageContext, StageIdentity } from '../stage.ts';

/** What a handler receives with one event: a plain object, which handlers may spread. */
export function contextOf(
  { name, version }: StageIdentity,
  event: MemoryEvent,
  { abort, waits }: Pick<Job, 'abort' | 'waits'>,
  about: Pick<StageContext, 'eventKey' | 'sequence' | 'attempt'>,
): StageContext {
  const { source, id, tenantid: tenant } = event;
  return {
    ...about,
    tenant,
    waits,
    cause: { source, id, sequence: about.sequence },
    // Created on demand: an AbortSignal costs more than a local handler.
    get signal() {
      return abort.signal;
    },
    derive<Latest extends z.ZodType>(
      type: EventType<string, Latest>,
      data: z.input<Latest>,
      ordinal = 0,
    ): Envelope {
      return createDerivedEvent(type, event, {
        id: derivedEventId(event, name, version, ordinal, about.eventKey),
        source: `/memfleet/${name}`,
        data,
      });
    },
  };
}
