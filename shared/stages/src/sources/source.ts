import type { Admission } from '../admission/admission.ts';
import type { TenantFairness } from '../fairness/tenant-fairness.ts';
import type { Job } from '../job.ts';
import type { Running } from '../pipeline/running.ts';

/** Batches of events that have a slot each. It ends with the run. */
export type Source = AsyncGenerator<readonly Job[]>;

/** What the sources of a stage share. */
export interface SourceRun extends Running {
  readonly admission: Admission;
  readonly fairness: TenantFairness;
  /** How many durables of the log the stage reads. */
  readonly inputs: number;
  /** Whether tenants may take turns; otherwise no event of the log goes into the queue. */
  readonly turns: boolean;
}
