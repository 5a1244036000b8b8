import type { ProviderGate, ResultCache } from '@memfleet/models';
import {
  type FleetConfig,
  type Logger,
  type Pool,
  type ProviderConfig,
  RuntimeError,
  type StageConfig,
} from '@memfleet/runtime';
import type { z } from 'zod';
import type { Stage, StageIdentity } from './stage.ts';

/** A stage without its code: enough to configure, provision and watch it. */
export interface StageDeclaration<
  Provider extends ProviderConfig = ProviderConfig,
> extends StageIdentity {
  /** Which events it takes: by input name, `<class>.<verb>` or `<class>.*`. */
  readonly inputs: Readonly<Record<string, string>>;
  /** The values that `stages.<name>.provider` of the configuration may have. */
  readonly provider: z.ZodType<Provider>;
}

/** What the code of a stage receives when its worker starts. */
export interface StageSetup<Provider extends ProviderConfig = ProviderConfig> {
  /** The configuration of the stage. */
  readonly settings: SettingsOf<Provider>;
  /** Every call of a model service goes through it. */
  readonly gate: ProviderGate;
  /** Paid results, stored by what they depend on. */
  readonly cache: ResultCache;
  readonly pool: Pool;
  readonly log: Logger;
}

/** Settings that differ from those of most stages; all of them can be configured. */
export type StageDefaults = Partial<
  Record<
    | 'ackWait'
    | 'batch'
    | 'concurrency'
    | 'deadline'
    | 'lease'
    | 'linger'
    | 'maxAckPending'
    | 'maxAttempts',
    number | string
  >
>;

/** A stage of a module: its declaration and its code. */
export interface StageDefinition<
  Provider extends ProviderConfig = ProviderConfig,
  Extra = unknown,
> extends StageDeclaration<Provider> {
  readonly defaults?: StageDefaults & { readonly provider?: object };
  /** Called once in each process of the stage. */
  open(setup: StageSetup<Provider>): StageCode<Extra> | Promise<StageCode<Extra>>;
}

/** What a stage does with an event, without its name and version. */
export type StageCode<Extra = undefined> = Omit<Stage<Extra>, keyof StageIdentity>;

export type SettingsOf<Provider extends ProviderConfig> = StageConfig & {
  readonly provider: Provider;
};

/** Builds a stage for a module, and ties the types of its parts together. */
export function defineStage<Provider extends ProviderConfig, Extra = undefined>(
  definition: StageDefinition<Provider, Extra>,
): StageDefinition<Provider, Extra> {
  return Object.freeze(definition);
}

/** Defaults of a module's stage: they suit a service that takes seconds and costs money. */
const USUAL = {
  concurrency: 64,
  batch: 64,
  linger: '5ms',
  ackWait: '30s',
  deadline: '15m',
  lease: '20s',
  maxAttempts: 5,
  maxDeliver: -1,
  maxAckPending: 4_096,
  fairness: { after: '1s', lookahead: 200_000 },
} as const;

/** The part of a stage's configuration that its module decides. */
export function defaultSettings({ name, inputs, defaults }: StageDefinition): object {
  const durables: Record<string, object> = {};
  for (const [input, filter] of Object.entries(inputs)) {
    durables[input] = { durable: `${name}-${input}`, filter };
  }
  return { ...USUAL, ...defaults, inputs: durables };
}

/** @throws RuntimeError CONFIG_INVALID when the configuration has no such stage */
export function stageSettings(config: FleetConfig, name: string): StageConfig {
  const settings = config.stages[name];
  if (settings !== undefined) return settings;
  const known = Object.keys(config.stages).join(', ');
  throw new RuntimeError('CONFIG_INVALID', `there is no stage ${name}, only ${known}`);
}
