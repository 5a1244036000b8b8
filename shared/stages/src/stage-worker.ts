import { Budget, ProviderGate, ProviderState, ResultCache } from '@memfleet/models';
import {
  checkConsumers,
  checkLog,
  type ConfigSources,
  type FleetConfig,
  type ProviderConfig,
  runWorker,
} from '@memfleet/runtime';
import { OperatorPause } from './admission/operator-pause.ts';
import { RedriveInput } from './dead-letters/redrive-input.ts';
import { redriveConsumer } from './dead-letters/redrive-queue.ts';
import { type StageDefinition, stageSettings } from './definition.ts';
import { ALWAYS, TenantQueue } from './fairness/tenant-queue.ts';
import { renewalSettings } from './pipeline/heartbeat.ts';
import { runStage } from './run-stage.ts';
import type { StageIdentity } from './stage.ts';
import { stageConsumers } from './topology.ts';

/** How far each tenant's waiting events are counted: an exact count would cost more than it is worth. */
const MOST_COUNTED = 100_000;

/** Lookups of paid results within this time share a round trip: their events were claimed together. */
const TOGETHER_MS = 1;

/** A configuration, and one of its stages. */
export interface LoadedStage<Extra> {
  readonly config: FleetConfig;
  readonly stage: StageIdentity & Pick<StageDefinition<ProviderConfig, Extra>, 'open'>;
}

/** The whole process of a stage worker. The stage is opened once the process is connected. */
export async function runStageWorker<Extra>(
  name: string,
  load: (sources: ConfigSources) => Promise<LoadedStage<Extra>>,
): Promise<never> {
  const loaded = Promise.withResolvers<LoadedStage<Extra>['stage']>();
  const loadConfig = async (sources: ConfigSources): Promise<FleetConfig> => {
    const { config, stage } = await load(sources);
    loaded.resolve(stage);
    return config;
  };
  return await runWorker(name, loadConfig, async (context) => {
    const { config, jetstream, jsm } = context;
    const settings = stageSettings(config, name);
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
      // Events already delivered are in some process's hands, or wait out a delay: none can be taken now.
      const waiting = infos.map((info) => info.num_pending);
      return [...waiting, ...queued.values()].reduce((sum, events) => sum + events, 0);
    });
    const cache = new ResultCache(pool, { batch: settings.batch, lingerMs: TOGETHER_MS });
    const stage = await loaded.promise;
    const code = await stage.open({ settings, gate, cache, pool, log });
    const operator = new OperatorPause({ db: pool, stage: name, log });
    await Promise.all([state.start(), operator.start()]);
    try {
      await runStage<Extra>({
        ...context,
        stage: {
          name,
          version: stage.version,
          handle: (event, about) => code.handle(event, about),
          ...(code.persist === undefined
            ? {}
            : { persist: async (db, extras) => await code.persist?.(db, extras) }),
        },
        settings,
        renewals: context.connectMore('renewals', renewalSettings(config.database, settings)),
        consumers,
        redrive,
        gate,
        operator,
        queue: tenantQueue,
        // A local provider is as fast as the queue would be: the order of the log is fair enough then.
        turns: provider.kind !== 'local',
      });
    } finally {
      state.stop();
      operator.stop();
    }
  });
}
