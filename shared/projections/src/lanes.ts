import {
  type FleetConfig,
  laneConsumer,
  RuntimeError,
  type WantedConsumer,
} from '@memfleet/runtime';

/** A part of a generation's work: the whole log, or one partition of it. */
export interface LaneId {
  readonly projection: string;
  readonly generation: number;
  readonly lane: number;
}

/**
 * Lanes of a new generation: one without a filter, or one per partition.
 * @throws RuntimeError CONFIG_INVALID
 */
export function configuredLanes(config: FleetConfig): number {
  const { lanes } = config.projections;
  if (lanes !== 1 && lanes !== config.log.partitions) {
    throw new RuntimeError(
      'CONFIG_INVALID',
      `projections.lanes: must be 1 or the number of partitions (${config.log.partitions}), not ${lanes}`,
    );
  }
  return lanes;
}

/** Whether the lanes of a generation read the whole log, rather than some of its partitions. */
export function coversLog(
  { lanes }: { readonly lanes: number },
  { log }: Pick<FleetConfig, 'log'>,
): boolean {
  return lanes === 1 || lanes === log.partitions;
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

/** The durable a lane reads by; the filter is one subject, since two cost a factor of forty. */
export function laneConsumerOf(config: FleetConfig, id: LaneId, lanes: number): WantedConsumer {
  return laneConsumer(config, {
    durable: durableOf(id),
    partition: lanes === 1 ? undefined : id.lane,
    description: `Projection ${id.projection}, generation ${id.generation}, lane ${id.lane}`,
  });
}
