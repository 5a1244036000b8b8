import {
  type FleetConfig,
  partitionFilter,
  RuntimeError,
  type WantedConsumer,
} from '@memfleet/runtime';
import { AckPolicy, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
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

/**
 * The durable that a lane reads. It uses AckAll, since the checkpoint row is the truth. Its filter is a
 * single subject, since two are forty times as slow.
 */
export function laneConsumerOf(config: FleetConfig, id: LaneId, lanes: number): WantedConsumer {
  const { stream, root } = config.log;
  const durable = durableOf(id);
  return {
    kind: 'consumer',
    stream,
    name: durable,
    config: {
      durable_name: durable,
      description: `Projection ${id.projection}, generation ${id.generation}, lane ${id.lane}`,
      ...(lanes === 1 ? {} : { filter_subject: partitionFilter(root, id.lane) }),
      ack_policy: AckPolicy.All,
      // A lane resets its durable to the checkpoint when it takes over, so this wait may be long: it
      // avoids redeliveries while a transaction is slow.
      ack_wait: nanos(60_000),
      max_deliver: -1,
      max_ack_pending: 100_000,
      deliver_policy: DeliverPolicy.All,
      replay_policy: ReplayPolicy.Instant,
    },
  };
}
