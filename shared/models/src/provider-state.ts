import {
  every,
  GONE_AFTER_MS,
  type Logger,
  messageOf,
  type Queryable,
  type Repeated,
} from '@memfleet/runtime';
import type { ProviderGate } from './provider-gate.ts';

/** The longest delay until other processes of a stage learn of a pause, and of each other. */
const LOOK_EVERY_MS = 1_000;
/** A pause that ends at most this much later counts as the same one. */
const SAME_MS = 250;

export interface ProviderStateOptions {
  readonly db: Queryable;
  readonly stage: string;
  readonly instance: string;
  readonly gate: ProviderGate;
  readonly log: Logger;
}

/**
 * Shares the state of a service among the processes of a stage: a Retry-After that one receives applies to
 * all, so that ten processes need not each find out for themselves. They also learn here how many they
 * are, since they share the limits and the budget.
 */
export class ProviderState {
  readonly #options: ProviderStateOptions;
  #repeated: Repeated | undefined;
  #saidUntilMs = 0;

  constructor(options: ProviderStateOptions) {
    this.#options = options;
    options.gate.onPause = (cause, ms) => void this.#say(cause, ms);
  }

  /** Looks once before it returns: no call is made before it is known whether calls are allowed. */
  async start(): Promise<void> {
    await this.look();
    this.#repeated = every(LOOK_EVERY_MS, () => this.look());
  }

  stop(): void {
    this.#options.gate.onPause = undefined;
    // A look in progress changes nothing any more, and may be waiting for an unreachable database.
    void this.#repeated?.stop();
  }

  /** Looks once; a failure is only logged, since the next look follows soon. */
  async look(): Promise<void> {
    const { gate, log } = this.#options;
    try {
      const { pause, processes } = await this.#read();
      if (pause !== undefined) gate.adopt(pause.cause, pause.ms);
      await gate.refresh(processes);
    } catch (error) {
      log.debug({ reason: messageOf(error) }, 'the shared state of the service could not be read');
    }
  }

  async #read(): Promise<{
    readonly pause: { readonly cause: string; readonly ms: number } | undefined;
    readonly processes: number;
  }> {
    const { db, stage, instance } = this.#options;
    const { rows } = await db.query<{ cause: string | null; ms: number | null; processes: number }>(
      {
        name: 'provider-state-read',
        text: `select state.cause,
          (extract(epoch from state.paused_until - now()) * 1000)::float8 as ms,
          (select count(*)::int from memfleet.worker_reports
            where worker = $1 and reported_at > now() - $3 * interval '1 millisecond') as processes
        from (select 1) as one
        left join memfleet.provider_state as state
          on state.stage = $1 and state.instance <> $2 and state.paused_until > now()`,
        values: [stage, instance, GONE_AFTER_MS],
      },
    );
    const [row] = rows;
    const { cause, ms } = row ?? {};
    const isPaused = typeof cause === 'string' && typeof ms === 'number';
    return { pause: isPaused ? { cause, ms } : undefined, processes: row?.processes ?? 1 };
  }

  async #say(cause: string, ms: number): Promise<void> {
    const untilMs = performance.now() + ms;
    // All calls in progress receive the same pause at once.
    if (untilMs < this.#saidUntilMs + SAME_MS) return;
    this.#saidUntilMs = untilMs;
    const { db, stage, instance, log } = this.#options;
    try {
      await db.query({
        name: 'provider-state-say',
        text: `insert into memfleet.provider_state as state (stage, cause, paused_until, instance)
          values ($1, $2, now() + $3 * interval '1 millisecond', $4)
          on conflict (stage) do update set cause = excluded.cause,
            paused_until = excluded.paused_until, instance = excluded.instance, updated_at = now()
          where state.paused_until < excluded.paused_until`,
        values: [stage, cause, ms, instance],
      });
    } catch (error) {
      // The other processes will learn of it from the service itself.
      log.debug(
        { reason: messageOf(error) },
        'the pause could not be shared with the other processes',
      );
    }
  }
}
