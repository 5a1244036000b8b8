import { durableOf, findRunnable, lanesOf, PROJECTIONS } from '@memfleet/projections';
import { consumerInfo, runWorker } from '@memfleet/runtime';
import { runEngine } from './engine/engine.ts';
import { findGenerations } from './engine/generations.ts';

await runWorker('projection', async (context) => {
  const { config, jsm, pool } = context;
  await findRunnable({ config, jsm, db: pool });
  context.watchBacklog(async () => {
    const durables = (await findGenerations(pool, PROJECTIONS)).flatMap(
      ({ generation: { projection, generation, lanes } }) =>
        lanesOf(projection, generation, lanes).map(durableOf),
    );
    const infos = await Promise.all(
      durables.map((durable) => consumerInfo(jsm, config.log.stream, durable)),
    );
    return infos.reduce((sum, info) => sum + info.num_pending + info.num_ack_pending, 0);
  });
  await runEngine(context, PROJECTIONS);
});
