import { token } from '@memfleet/events';
import { z } from 'zod';
import { byteSize, duration } from './units.ts';

const count = (min: number, max: number) => z.int().min(min).max(max);
const streamName = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, { error: 'must be 1 to 64 letters, digits, "_" or "-"' });
const replicas = z.literal([1, 3, 5], { error: 'must be 1, 3 or 5' });

const amount = z.number().positive().max(1e12);
const budgetLimits = {
  hourlyUsd: amount.optional(),
  dailyUsd: amount.optional(),
  hourlyTokens: amount.optional(),
  dailyTokens: amount.optional(),
};

/** How a stage reads, works and gives up. The reason for every number is in config/fleet.yaml. */
const stageSettings = {
  inputs: z.record(
    z.string(),
    z.strictObject({
      durable: streamName,
      /** Class and verb of the events it takes; a single subject, since two are 40 times as slow. */
      filter: z.string().regex(/^(content|usage|lifecycle|derived)\.([a-z_]+|\*)$/, {
        error: 'must be <class>.<verb> or <class>.*, for example content.*',
      }),
    }),
  ),
  concurrency: count(1, 100_000),
  batch: count(1, 5_000),
  linger: duration,
  ackWait: duration,
  deadline: duration,
  lease: duration,
  maxAttempts: count(1, 1_000),
  /** Every pause, every lease held elsewhere and every shutdown uses up a delivery too. */
  maxDeliver: z.literal(-1, {
    error:
      'must be -1: nothing reads the events that the server gives up, so an event at its last delivery would be lost without a dead letter',
  }),
  maxAckPending: count(1, 1_000_000),
  /** The service's limits for all processes of the stage together. */
  limits: z
    .strictObject({
      requestsPerMinute: amount.optional(),
      tokensPerMinute: amount.optional(),
    })
    .default({}),
  /** The most that the stage, and each tenant, may spend per hour and day of the clock (UTC). */
  budget: z
    .strictObject({ ...budgetLimits, perTenant: z.strictObject(budgetLimits).optional() })
    .default({}),
  fairness: z.strictObject({ after: duration, lookahead: count(1, 100_000_000) }),
};

/** The schema of each stage's provider section, by the stage's name. */
export type StageSections = Readonly<Record<string, z.ZodType<ProviderConfig>>>;

/** The part that all providers share; each stage has its own schema for the rest. */
export interface ProviderConfig {
  /** `local` is free and instant. Every other kind costs time or money, so tenants take turns. */
  readonly kind: string;
}

const sections = {
  /** Files or packages that add a team's own event types and stages. */
  modules: z.array(z.string().min(1)).default([]),
  log: z.strictObject({
    stream: streamName,
    root: token,
    partitions: count(1, 1_024),
    replicas,
    duplicateWindow: duration,
    compression: z.enum(['s2', 'none']),
    maxDataBytes: byteSize,
    maxAhead: duration,
    /** Limits are off unless set. A set limit refuses publishers, and never drops events. */
    maxBytes: byteSize.optional(),
    maxMessages: count(1, Number.MAX_SAFE_INTEGER).optional(),
  }),
  deadLetters: z.strictObject({
    stream: streamName,
    root: token,
    duplicateWindow: duration,
  }),
  advisories: z.strictObject({ stream: streamName, maxAge: duration }),
  broker: z.strictObject({
    connectTimeout: duration,
    requestTimeout: duration,
    pingInterval: duration,
  }),
  database: z.strictObject({
    /** Two snapshots are compared while a third connection holds the lanes (`projection verify`). */
    poolSize: z
      .int()
      .min(3, { error: 'must be at least 3: `projection verify` uses three connections at once' })
      .max(1_000),
    connectTimeout: duration,
    statementTimeout: duration,
  }),
  projections: z.strictObject({
    lanes: count(1, 1_024),
    batch: count(1, 100_000),
    linger: duration,
    lease: duration,
    onNewer: z.enum(['halt', 'park']),
  }),
  /** How much one search examines. */
  recall: z.strictObject({
    textMatches: count(100, 10_000_000),
    comparedVectors: count(100, 10_000_000),
    indexedVectors: count(100, 10_000_000),
  }),
  workers: z.strictObject({
    shutdownGrace: duration,
    report: duration,
    stalledAfter: duration,
    blockedAfter: duration,
  }),
  health: z.strictObject({ host: z.string().min(1), port: count(0, 65_535) }),
  logging: z.strictObject({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']) }),
};

const stage = z.strictObject(stageSettings);

/** The schema of a configuration with these stages. */
export function fleetSchema(stages: StageSections): z.ZodType<FleetConfig> {
  const ofStages: Record<string, z.ZodType<StageConfig>> = {};
  for (const [name, provider] of Object.entries(stages)) {
    ofStages[name] = z.strictObject({ ...stageSettings, provider });
  }
  return z.strictObject({ ...sections, stages: z.strictObject(ofStages) });
}

/** How a stage reads, works and gives up. */
export type StageConfig = z.output<typeof stage> & { readonly provider: ProviderConfig };
type Sections = z.output<z.ZodObject<typeof sections>>;

/** The configuration of a fleet with any stages. */
export interface FleetConfig extends Sections {
  readonly stages: Readonly<Record<string, StageConfig>>;
}
export type BudgetConfig = StageConfig['budget'];
export type BudgetLimits = Omit<BudgetConfig, 'perTenant'>;
