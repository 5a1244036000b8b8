import {
  checkConsumers,
  type FleetConfig,
  type JetStreamManager,
  type Queryable,
  RuntimeError,
} from '@memfleet/runtime';
import { type Generation, readGenerations } from './generations.ts';
import type { Projection } from './kit/define.ts';
import { laneConsumerOf, lanesOf } from './lanes.ts';
import { PROJECTIONS } from './projections/index.ts';

/** A generation that this version of the code can apply events to. */
export interface Runnable {
  readonly projection: Projection;
  readonly generation: Generation;
}

/**
 * What a projection worker runs: every generation made by the versions it has. Those of another
 * version are left to the workers that have it, old ones and new ones side by side in a deploy.
 * @throws RuntimeError DRIFT when a projection has no such generation, CONSUMER_MISSING, STREAM_MISSING
 */
export async function findRunnable(target: {
  readonly config: FleetConfig;
  readonly jsm: JetStreamManager;
  readonly db: Queryable;
  readonly projections?: readonly Projection[];
}): Promise<Runnable[]> {
  const { config, jsm, db, projections = PROJECTIONS } = target;
  const found = await readGenerations(db);
  const runnable = projections.flatMap((projection) => {
    const own = found.filter((each) => each.projection === projection.name);
    const fitting = own.filter(({ version }) => version === projection.version);
    if (fitting.length === 0) {
      const versions = own.map(({ version }) => version).join(', ');
      throw new RuntimeError(
        'DRIFT',
        own.length === 0
          ? `projection ${projection.name} is not provisioned`
          : `projection ${projection.name} has tables of version ${versions}, this worker has version ${projection.version}`,
      );
    }
    return fitting.map((generation) => ({ projection, generation }));
  });
  const consumers = runnable.flatMap(
    ({ projection: { name }, generation: { generation, lanes } }) =>
      lanesOf(name, generation, lanes).map((id) => laneConsumerOf(config, id, lanes)),
  );
  await checkConsumers(jsm, config.log.stream, consumers);
  return runnable;
}
