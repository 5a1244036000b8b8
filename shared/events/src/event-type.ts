import type { z } from 'zod';
import type { Envelope, EventOf } from './envelope.ts';
import type { EventClass } from './subjects.ts';

/** One step in the history of a schema: it turns data of version `from` into version `from + 1`. */
export interface Upcaster {
  readonly from: number;
  readonly to: number;
  /** Pure: no clock, no randomness, no I/O. It may use the envelope for defaults, such as its time. */
  readonly upcast: (data: never, envelope: Envelope) => unknown;
}

/** A frozen example: this data, written at this version, is read as `latest` for ever. */
export interface GoldenFixture {
  readonly name: string;
  readonly version: number;
  readonly data: unknown;
  readonly latest: unknown;
}

export interface EventType<Type extends string = string, Latest extends z.ZodType = z.ZodType> {
  readonly type: Type;
  readonly eventClass: EventClass;
  readonly summary: string;
  /** Every version ever published, by number. A version is never edited; a new one is added. */
  readonly versions: Readonly<Record<number, z.ZodType>>;
  /** The newest version: readers get it, whatever version was written. */
  readonly latest: Latest;
  readonly upcasters: readonly Upcaster[];
  readonly fixtures: readonly GoldenFixture[];
}

/** The verb is the last word of the type: `memory.created` → `created`. */
export function verbOf(type: string): string {
  return type.slice(type.lastIndexOf('.') + 1);
}

export function latestVersion(definition: EventType): number {
  return Math.max(...Object.keys(definition.versions).map(Number));
}

/**
 * Names the type, its class and its whole history in one place. The registry checks at start-up
 * that the upcasters lead from every version to the latest, each by one path.
 */
export function defineEventType<const Type extends string, Latest extends z.ZodType>(
  definition: EventType<Type, Latest>,
): EventType<Type, Latest> {
  return Object.freeze(definition);
}

/** The event, typed as this type; undefined when it has another type. */
export function eventAs<Definition extends EventType>(
  definition: Definition,
  event: EventOf<string, unknown>,
): EventFrom<Definition> | undefined {
  return event.type === definition.type ? (event as EventFrom<Definition>) : undefined;
}

/** The event that a definition describes, at its latest version. */
export type EventFrom<Definition> =
  Definition extends EventType<infer Type, infer Latest> ? EventOf<Type, z.output<Latest>> : never;
