import {
  type FleetConfig,
  logTopology,
  type Topology,
  type WantedConsumer,
} from '@memfleet/runtime';
import { stageTopology } from '@memfleet/stages';

/** Every stream and durable of a fleet; those of its lanes follow from its generations. */
export function topologyOf(
  config: FleetConfig,
  laneConsumers: readonly WantedConsumer[] = [],
): Topology {
  const [log, stages] = [logTopology(config), stageTopology(config)];
  return {
    streams: [...log.streams, ...stages.streams],
    consumers: [...log.consumers, ...stages.consumers, ...laneConsumers],
  };
}
