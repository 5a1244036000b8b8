import {
  type FleetConfig,
  laneConsumer,
  RuntimeError,
  type WantedConsumer,
} from '@memfleet/runtime';
import { durableOf, type LaneId } from './lane-names.ts';

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

/** The durable a lane reads by; the filter is one subject, since two cost a factor of forty. */
export function laneConsumerOf(config: FleetConfig, id: LaneId, lanes: number): WantedConsumer {
  return laneConsumer(config, {
    durable: durableOf(id),
    partition: lanes === 1 ? undefined : id.lane,
    description: `Projection ${id.projection}, generation ${id.generation}, lane ${id.lane}`,
  });
}
