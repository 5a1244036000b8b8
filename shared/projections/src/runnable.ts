import {
  checkConsumers,
  checkLog,
  type FleetConfig,
  type JetStreamManager,
  type Queryable,
  RuntimeError,
} from '@memfleet/runtime';
import { type Generation, readGenerations } from './generations.ts';
import type { Projection } from './kit/define.ts';
import { lanesOf } from './lane-names.ts';
import { coversLog, laneConsumerOf } from './lanes.ts';
import { PROJECTIONS } from './projections/index.ts';

/** A generation that this version of the code can apply events to. */
export interface Runnable {
  readonly projection: Projection;
  readonly generation: Generation;
}

/**
 * The generations that a projection worker runs: all that were made by the versions it has. It leaves
 * those of another version to workers of that version, which run beside it during a deploy. Without
 * such workers they stand still and serve their readers until a rebuild is promoted.
 * @throws RuntimeError DRIFT when a projection has no generation at all, CONSUMER_MISSING, STREAM_MISSING
 */
export async function findRunnable(target: {
  readonly config: FleetConfig;
  readonly jsm: JetStreamManager;
  readonly db: Queryable;
  readonly projections?: readonly Projection[];
}): Promise<Runnable[]> {
  const { config, jsm, db, projections = PROJECTIONS } = target;
  const found = await readGenerations(db);
  for (const { name } of projections) {
    if (found.some(({ projection }) => projection === name)) continue;
    throw new RuntimeError('DRIFT', `projection ${name} is not provisioned`);
  }
  await checkLog(jsm, config);
  const runnable = runnableOf(found, projections, config);
  const consumers = runnable.flatMap(
    ({ projection: { name }, generation: { generation, lanes } }) =>
      lanesOf(name, generation, lanes).map((id) => laneConsumerOf(config, id, lanes)),
  );
  await checkConsumers(jsm, config.log.stream, consumers);
  return runnable;
}

/**
 * The generations that these projections fit. A generation whose lanes leave partitions of the log
 * unread does not run until it is rebuilt: its checkpoints would vouch for events that no lane applied.
 */
export function runnableOf(
  found: readonly Generation[],
  projections: readonly Projection[],
  config: Pick<FleetConfig, 'log'>,
): Runnable[] {
  return found.flatMap((generation) => {
    if (!coversLog(generation, config)) return [];
    const projection = projections.find(
      ({ name, version }) => name === generation.projection && version === generation.version,
    );
    return projection === undefined ? [] : [{ projection, generation }];
  });
}
