import { loadFleet } from '@memfleet/fleet';
import { durableOf, findRunnable, lanesOf, leaseOf, PROJECTIONS } from '@memfleet/projections';
import {
  type ConfigSources,
  consumerInfo,
  type FleetConfig,
  heldByOthers,
  runWorker,
} from '@memfleet/runtime';
import { runEngine } from './engine/engine.ts';
import { findGenerations } from './engine/generations.ts';

const load = async (sources: ConfigSources): Promise<FleetConfig> =>
  (await loadFleet(sources)).config;

await runWorker('projection', load, async (context) => {
  const { config, jsm, pool, instance } = context;
  await context.answered(() => findRunnable({ config, jsm, db: pool }));
  context.watchBacklog(async () => {
    const lanes = (await findGenerations(pool, config, PROJECTIONS)).flatMap(
      ({ generation: { projection, generation, lanes: count } }) =>
        lanesOf(projection, generation, count),
    );
    // The backlog of other workers says nothing about this process: it may have no lane at all.
    const others = await heldByOthers(pool, instance);
    const infos = await Promise.all(
      lanes
        .filter((id) => !others.has(leaseOf(id)))
        .map((id) => consumerInfo(jsm, config.log.stream, durableOf(id))),
    );
    return infos.reduce((sum, info) => sum + info.num_pending + info.num_ack_pending, 0);
  });
  await runEngine(context, PROJECTIONS);
});
