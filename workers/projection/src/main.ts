import { durableOf, findRunnable, lanesOf } from '@memfleet/projections';
import { runWorker } from '@memfleet/runtime';
import { runEngine } from './engine/engine.ts';

await runWorker('projection', async (context) => {
  const { config, jsm, pool } = context;
  const runnables = await findRunnable({ config, jsm, db: pool });
  const durables = runnables.flatMap(({ generation: { projection, generation, lanes } }) =>
    lanesOf(projection, generation, lanes).map(durableOf),
  );
  context.watchBacklog(async () => {
    const infos = await Promise.all(
      durables.map((durable) => jsm.consumers.info(config.log.stream, durable)),
    );
    return infos.reduce((sum, info) => sum + info.num_pending + info.num_ack_pending, 0);
  });
  await runEngine(context, runnables);
});
