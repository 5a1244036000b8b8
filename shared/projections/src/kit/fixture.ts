import type { DataOf, MemoryEventType } from '@memfleet/events';
import type { Row } from './columns.ts';

/** An event in its shortest form. */
export type FixtureEvent = NewFixtureEvent | FixtureCopy;

/** The event at an earlier position, stored a second time. */
export interface FixtureCopy {
  readonly copyOf: number;
}

type NewFixtureEvent = {
  readonly [Type in MemoryEventType]: {
    readonly type: Type;
    readonly memory: string;
    readonly data: DataOf<Type>;
    /** Default: `acme`. */
    readonly tenant?: string;
    /** Default: the position in the log as seconds after 2026-01-01T00:00:00Z. */
    readonly time?: string;
  };
}[MemoryEventType];

/**
 * A small log, and the tables that the projection makes from it: an example for readers and a test in
 * one. The first event is at position 1. Each named table is given with all its rows; columns that a
 * row leaves out may hold anything.
 */
export interface ProjectionFixture {
  readonly name: string;
  readonly log: readonly FixtureEvent[];
  readonly tables: Readonly<Record<string, readonly Row[]>>;
  /** The rows that readers see, by the name of the view in the schema `memory`. */
  readonly views?: Readonly<Record<string, readonly Row[]>>;
}
