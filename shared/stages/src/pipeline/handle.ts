import type { MemoryEvent } from '@memfleet/events';
import { BudgetSpent, ProviderError } from '@memfleet/models';
import {
  type AbortSource,
  crashPoint,
  isServerError,
  isTransientDatabaseError,
  messageOf,
} from '@memfleet/runtime';
import { advance, type ClaimedJob } from '../job.ts';
import { faultOfOutcome, type Outcome, park, retry } from '../outcome.ts';
import type { Stage, StageContext } from '../stage.ts';
import { backoffMs } from './backoff.ts';
import { contextOf } from './event-context.ts';
import { HandlerFaults } from './handler-faults.ts';
import { DeadlineExceeded, LeaseLost } from './heartbeat.ts';
import type { Running } from './running.ts';

/**
 * Claims that may expire without a word before the event counts as the cause. It is far above the number
 * of tries, since a worker that dies loses the claim of every event in flight with it.
 */
const MAX_ABANDONED = 10;
/** At the redelivery the spent budget is known, and the event then waits where it blocks no other. */
const BUDGET_RETRY_MS = 1_000;

/** Runs the handler of a stage on claimed events. */
export class Handling<Extra> {
  readonly #run: Pick<Running<Extra>, 'settings' | 'shutdown' | 'stage'>;
  readonly #faults: HandlerFaults;

  constructor(run: Pick<Running<Extra>, 'output' | 'settings' | 'shutdown' | 'stage'>) {
    this.#run = run;
    this.#faults = new HandlerFaults(run.output);
  }

  /** @returns undefined when the claim was lost */
  async handle(job: ClaimedJob): Promise<Outcome<Extra> | undefined> {
    const { stage, settings, shutdown } = this.#run;
    const { attempts: attempt, abandoned, abort, message, sequence } = job;
    if (shutdown.stop.aborted) return retry(0, 'shutting down', false);
    if (abandoned >= MAX_ABANDONED) {
      return park('attempts_exhausted', `${abandoned} workers died or hung while they held it`);
    }
    const { event } = job.decoded;
    const { key } = job.request;
    advance(job, { begunAt: performance.now() });
    const context = contextOf(stage, event, job, { eventKey: key, sequence, attempt });
    const outcome = await perform(stage, event, context, {
      abort,
      maxAttempts: settings.maxAttempts,
      deliveries: message.info.deliveryCount,
      isToBlame: (error) => this.#faults.failed(key, error),
    });
    if (outcome !== undefined && outcome.kind !== 'retry') this.#faults.ended(key, outcome);
    return outcome;
  }
}

export interface PerformOptions {
  readonly abort: AbortSource;
  readonly maxAttempts: number;
  /** How often the event was delivered: a retry that uses no attempt waits longer with each delivery. */
  readonly deliveries?: number;
  /**
   * Called when a database that the handler uses is away or complains about itself, such as a missing
   * table: whether the event is to blame all the same.
   */
  readonly isToBlame?: (error: unknown) => boolean;
}

/**
 * Runs the handler and turns anything it throws into an outcome: the return value is the whole truth.
 * (Processing one message as a pipeline that can be read aloud is the idea of Oban's executor.) A handler
 * that ignores its signal, which is that of `abort`, is left behind: any later result is ignored.
 * @returns undefined when the claim was lost: then nothing may be reported about the event.
 */
export async function perform<Extra>(
  stage: Stage<Extra>,
  event: MemoryEvent,
  context: StageContext,
  {
    abort,
    maxAttempts,
    deliveries = 1,
    isToBlame = (error) => !isTransientDatabaseError(error),
  }: PerformOptions,
): Promise<Outcome<Extra> | undefined> {
  const { attempt } = context;
  // An event given up before its handler began has used no attempt.
  if (abort.aborted) {
    return abort.reason instanceof LeaseLost
      ? undefined
      : retry(0, 'given up before it began', false);
  }
  if (attempt > maxAttempts) {
    return park('attempts_exhausted', `${maxAttempts} tries did not succeed`);
  }
  try {
    return await abort.race(started(stage, event, context));
  } catch (error) {
    const { reason } = abort;
    if (reason instanceof LeaseLost) return undefined;
    const again = backoffMs(attempt);
    if (reason instanceof DeadlineExceeded) {
      return exhausted(again, 'deadline exceeded', context, maxAttempts);
    }
    if (reason !== undefined) return retry(0, 'shutting down', false);
    if (error instanceof ProviderError) {
      const outcome = ofProviderError(error, again, context, maxAttempts);
      const use = error.takeUse();
      return use === undefined ? outcome : { ...outcome, use };
    }
    if (error instanceof BudgetSpent) {
      return retry(Math.min(BUDGET_RETRY_MS, error.afterMs), error.message, false);
    }
    if (isServerError(error) && !isToBlame(error)) {
      return retry(backoffMs(deliveries), messageOf(error), false);
    }
    return exhausted(again, messageOf(error), context, maxAttempts);
  }
}

async function started<Extra>(
  stage: Stage<Extra>,
  event: MemoryEvent,
  context: StageContext,
): Promise<Outcome<Extra>> {
  const work = stage.handle(event, context);
  crashPoint('in-call');
  const outcome = await work;
  const fault = faultOfOutcome(outcome);
  if (fault !== undefined) throw new TypeError(`the handler returned no valid outcome: ${fault}`);
  return outcome;
}

function ofProviderError(
  error: ProviderError,
  again: number,
  context: StageContext,
  maxAttempts: number,
): Exclude<Outcome<never>, { readonly kind: 'done' | 'skip' }> {
  switch (error.errorClass) {
    case 'transient':
    case 'rate_limited':
    case 'quota':
    case 'auth':
      return retry(error.retryAfterMs ?? again, error.message, false);
    case 'invalid_input':
      return park('invalid_input', error.message);
    case 'invalid_output':
      break;
  }
  return context.attempt >= maxAttempts
    ? park('invalid_output', error.message)
    : retry(again, error.message);
}

function exhausted(
  again: number,
  cause: string,
  { attempt }: StageContext,
  maxAttempts: number,
): Outcome<never> {
  return attempt >= maxAttempts
    ? park('attempts_exhausted', `${attempt} tries, the last: ${cause}`)
    : retry(again, cause);
}
