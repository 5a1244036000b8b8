/** One lane of a generation: it reads the whole log, or one partition of it. */
export interface LaneId {
  readonly projection: string;
  readonly generation: number;
  readonly lane: number;
}

/** The schema of a generation's tables. The parts are names that `defineProjection` checked. */
export function schemaOf(projection: string, generation: number): string {
  return `${projection}_${generation}`;
}

export function lanesOf(projection: string, generation: number, lanes: number): LaneId[] {
  return Array.from({ length: lanes }, (_, lane) => ({ projection, generation, lane }));
}

export function durableOf({ projection, generation, lane }: LaneId): string {
  return `projection-${projection}-${generation}-${lane}`;
}

export function leaseOf({ projection, generation, lane }: LaneId): string {
  return `projection/${projection}/${generation}/${lane}`;
}
