import { Budget, ProviderGate, ProviderState } from '@memfleet/models';
import {
  checkConsumers,
  checkLog,
  runWorker,
  type StageName,
  type WorkerContext,
} from '@memfleet/runtime';
import { RedriveInput } from './dead-letters/redrive-input.ts';
import { redriveConsumer } from './dead-letters/redrive-queue.ts';
import { ALWAYS, TenantQueue } from './fairness/tenant-queue.ts';
import { runStage } from './pipeline/run-stage.ts';
import type { Stage } from './stage.ts';
import { stageConsumers } from './topology.ts';

/** Of what waits in the queue of a tenant: counting more would cost more than it tells. */
const MOST_COUNTED = 100_000;

/** The whole process of a stage worker: what is its own is the stage that `build` returns. */
export async function runStageWorker<Extra>(
  name: StageName,
  build: (context: WorkerContext, gate: ProviderGate) => Promise<Stage<Extra>>,
): Promise<never> {
  return await runWorker(name, async (context) => {
    const { config, jetstream, jsm } = context;
    const settings = config.stages[name];
    const durables = Object.values(settings.inputs).map(({ durable }) => durable);
    const wanted = stageConsumers(config, name);
    const wantedRedrive = redriveConsumer(config, name);
    const queue = wantedRedrive.stream;
    const { consumers, consumer } = await context.answered(async () => {
      await checkLog(jsm, config);
      await checkConsumers(jsm, config.log.stream, wanted);
      await checkConsumers(jsm, queue, [wantedRedrive]);
      return {
        consumers: await Promise.all(
          durables.map((durable) => jetstream.consumers.get(config.log.stream, durable)),
        ),
        consumer: await jetstream.consumers.get(queue, wantedRedrive.name),
      };
    });
    const redrive = new RedriveInput({ ...context, consumer });
    const { provider, limits, budget: budgetConfig } = settings;
    const { pool, log, instance } = context;
    const budget = new Budget({ stage: name, config: budgetConfig, db: pool, log });
    const gate = new ProviderGate({ limits, budget });
    const ackWaitMs = settings.ackWait;
    const { stream } = config.log;
    const tenantQueue = new TenantQueue({ db: pool, jsm, stage: name, stream, ackWaitMs, log });
    const state = new ProviderState({ db: pool, stage: name, instance, gate, log });
    context.watchBacklog(async () => {
      const queued = await tenantQueue.waiting(gate.spentTenants, MOST_COUNTED, ALWAYS);
      const infos = await Promise.all([
        ...durables.map((durable) => jsm.consumers.info(stream, durable)),
        jsm.consumers.info(queue, wantedRedrive.name),
      ]);
      // What is delivered is in somebody's hands, or waits out a delay: it cannot be taken now.
      const waiting = infos.map((info) => info.num_pending);
      return [...waiting, ...queued.values()].reduce((sum, events) => sum + events, 0);
    });
    const stage = await build(context, gate);
    await state.start();
    try {
      await runStage({
        ...context,
        stage,
        settings,
        consumers,
        redrive,
        gate,
        queue: tenantQueue,
        // What is local is as fast as the queue would be: the order of the log is fair enough then.
        turns: provider.kind !== 'local',
      });
    } finally {
      state.stop();
    }
  });
}
