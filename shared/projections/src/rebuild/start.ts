import {
  checkLog,
  type FleetConfig,
  type JetStreamManager,
  type Pool,
  provisionTopology,
  transaction,
} from '@memfleet/runtime';
import { createGeneration, readGenerations } from '../generations.ts';
import type { Projection } from '../kit/define.ts';
import { lanesOf } from '../lane-names.ts';
import { coversLog, configuredLanes, laneConsumerOf } from '../lanes.ts';
import { RebuildError } from './errors.ts';

export interface RebuildTarget {
  readonly config: FleetConfig;
  readonly jsm: JetStreamManager;
  readonly pool: Pool;
}

/**
 * Makes the next generation beside the live one, for the workers to fill: tables, durables,
 * checkpoints at 0. It continues with one that exists already.
 * @throws RebuildError when the next one has another version; RuntimeError like provisioning
 */
export async function startRebuild(
  { config, jsm, pool }: RebuildTarget,
  projection: Projection,
): Promise<{ readonly generation: number; readonly isNew: boolean }> {
  const { name, version } = projection;
  await checkLog(jsm, config);
  return await transaction(pool, async (client) => {
    await client.query('lock table memfleet.projection_generations in share row exclusive mode');
    const found = (await readGenerations(client)).filter((each) => each.projection === name);
    if (found.length === 0) {
      throw new RebuildError(`projection ${name} is not provisioned`, 'Run `memfleet provision`.');
    }
    const next = found.find(({ state }) => state === 'next');
    if (next !== undefined) {
      if (next.version === version) {
        if (coversLog(next, config)) return { generation: next.generation, isNew: false };
        throw new RebuildError(
          `generation ${next.generation} of ${name} has ${next.lanes} lanes for the ${config.log.partitions} partitions of the log`,
          retireFirst(name, next.generation),
        );
      }
      throw new RebuildError(
        `generation ${next.generation} of ${name} is being made by version ${next.version}, this is version ${version}`,
        retireFirst(name, next.generation),
      );
    }
    // Numbers of retired generations are not reused: old durables and schemas carry them.
    const { rows } = await client.query<{ generation: number }>(
      `select max(generation) + 1 as generation from memfleet.projection_generations
        where projection = $1`,
      [name],
    );
    const generation = rows[0]?.generation ?? 1;
    const lanes = configuredLanes(config);
    await createGeneration(client, projection, { generation, lanes, state: 'next' });
    // Before the row is visible: a worker that finds a generation without its durables would exit.
    const consumers = lanesOf(name, generation, lanes).map((id) =>
      laneConsumerOf(config, id, lanes),
    );
    await provisionTopology(jsm, { streams: [], consumers });
    return { generation, isNew: true };
  });
}

function retireFirst(name: string, generation: number): string {
  return `Retire it first: \`memfleet projection retire ${name} --generation ${generation}\`.`;
}
