import { checkConsumers } from '../broker/provision.ts';
import { topologyOf } from '../broker/topology.ts';
import type { StageName } from '../config/schema.ts';
import { RedriveInput } from '../dead-letters/redrive-input.ts';
import { redriveConsumer } from '../dead-letters/redrive-queue.ts';
import { runWorker, type WorkerContext } from '../lifecycle/worker.ts';
import { ProviderGate } from './gate.ts';
import { runStage } from './run-stage.ts';
import type { Stage } from './stage.ts';

/** The whole process of a stage worker: what is its own is the stage that `build` returns. */
export async function runStageWorker<Extra>(
  name: StageName,
  build: (context: WorkerContext, gate: ProviderGate) => Promise<Stage<Extra>>,
): Promise<never> {
  return await runWorker(name, async (context) => {
    const { config, jetstream, jsm } = context;
    const settings = config.stages[name];
    const { stream } = config.log;
    const durables = Object.values(settings.inputs).map(({ durable }) => durable);
    const wanted = topologyOf(config).consumers.filter((consumer) =>
      durables.includes(consumer.name),
    );
    const wantedRedrive = redriveConsumer(config, name);
    const queue = wantedRedrive.stream;
    await checkConsumers(jsm, stream, wanted);
    await checkConsumers(jsm, queue, [wantedRedrive]);
    const consumers = await Promise.all(
      durables.map((durable) => jetstream.consumers.get(stream, durable)),
    );
    const consumer = await jetstream.consumers.get(queue, wantedRedrive.name);
    const redrive = new RedriveInput({ ...context, consumer });
    context.watchBacklog(async () => {
      const infos = await Promise.all([
        ...durables.map((durable) => jsm.consumers.info(stream, durable)),
        jsm.consumers.info(queue, wantedRedrive.name),
      ]);
      // What is delivered is in somebody's hands, or waits out a delay: it cannot be taken now.
      return infos.reduce((sum, info) => sum + info.num_pending, 0);
    });
    const gate = new ProviderGate();
    const stage = await build(context, gate);
    await runStage({ ...context, stage, settings, consumers, redrive, gate });
  });
}
