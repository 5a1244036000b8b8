import { type Generation, laneConsumerOf, lanesOf } from '@memfleet/projections';
import { type FleetConfig, logTopology, type Topology } from '@memfleet/runtime';
import { stageTopology } from '@memfleet/stages';

/** Every stream of a fleet, and every durable of its stages and of the lanes of these generations. */
export function topologyOf(config: FleetConfig, generations: readonly Generation[] = []): Topology {
  const [log, stages] = [logTopology(config), stageTopology(config)];
  const lanes = generations.flatMap(({ projection, generation, lanes: count }) =>
    lanesOf(projection, generation, count).map((id) => laneConsumerOf(config, id, count)),
  );
  return {
    streams: [...log.streams, ...stages.streams],
    consumers: [...log.consumers, ...stages.consumers, ...lanes],
  };
}
