import type { FleetConfig, Logger, Pool, Progress, StageConfig } from '@memfleet/runtime';
import type { NatsConnection } from '@nats-io/transport-node';
import type { OutputGate } from '../admission/output-gate.ts';
import type { Slots } from '../admission/slots.ts';
import type { TenantQueue } from '../fairness/tenant-queue.ts';
import type { Stage } from '../stage.ts';
import type { Reader } from './read.ts';
import type { Shutdown } from './shutdown.ts';

/** What the parts of a running stage share. */
export interface Running<Extra = unknown> {
  readonly stage: Stage<Extra>;
  readonly config: FleetConfig;
  readonly settings: StageConfig;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly progress: Progress;
  readonly log: Logger;
  /** The events in hand. */
  readonly slots: Slots;
  /** Closed while results have nowhere to go. */
  readonly output: OutputGate;
  /** Where events wait by tenant, and those that this version cannot read yet. */
  readonly queue: TenantQueue;
  /** Reads the bytes of events; by default, the registry of this version. */
  readonly reader?: Reader;
  readonly shutdown: Pick<Shutdown, 'stop' | 'handBack' | 'end'>;
}
