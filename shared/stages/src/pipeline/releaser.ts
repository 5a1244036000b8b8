import { addSpend } from '@memfleet/models';
import {
  isServerError,
  type Logger,
  messageOf,
  type Pool,
  type Queryable,
  transaction,
} from '@memfleet/runtime';
import type { OutputGate } from '../admission/output-gate.ts';
import { type ClaimRef, HeldClaims, type Release, release } from '../claims/held-claims.ts';
import type { StageIdentity } from '../stage.ts';
import { persistently } from './persistently.ts';
import { costsOf, type Settlement, spentOn } from './recorder.ts';

export interface ReleaserOptions {
  readonly stage: StageIdentity;
  readonly pool: Pool;
  readonly gate: OutputGate;
  readonly log: Logger;
  /** From here on unfinished events are given back, without further waits for a cost to be noted. */
  readonly handBack: AbortSignal;
  readonly signal: AbortSignal;
}

/**
 * Gives claims back, and notes the cost of calls without a result. It retries for as long as the database
 * is away: a claim that is not released would count as the death of a worker, and the spending would be
 * forgotten. At the end of a process, a cost that the database refuses is only in the log. A claim that is
 * released twice counts one try (its lease says so).
 */
export class Releaser {
  readonly #options: ReleaserOptions;

  constructor(options: ReleaserOptions) {
    this.#options = options;
  }

  /** @returns the claims that were still ours; the broker must hear nothing about the others */
  async release(items: readonly Settlement<unknown>[]): Promise<HeldClaims> {
    const claimed = items.filter(({ held }) => held.claim !== undefined);
    return claimed.length === 0 ? new HeldClaims([]) : new HeldClaims(await this.#split(claimed));
  }

  async #split(items: readonly Settlement<unknown>[]): Promise<ClaimRef[]> {
    const { log, handBack, signal } = this.#options;
    try {
      return await this.#write(items, true);
    } catch (error) {
      const reason = messageOf(error);
      if (!signal.aborted && handBack.aborted && isServerError(error)) {
        return await this.#withoutSpend(items, reason);
      }
      // Until the signal, `persistently` waits out the database's own trouble.
      if (signal.aborted) {
        // We do not know who holds the events now; the claims expire, and the ack wait redelivers them.
        log.warn({ events: items.length, reason }, 'claims could not be released');
        return [];
      }
      if (items.length === 1) return await this.#withoutSpend(items, reason);
      const middle = Math.ceil(items.length / 2);
      const first = await this.#split(items.slice(0, middle));
      return [...first, ...(await this.#split(items.slice(middle)))];
    }
  }

  /** A cost that cannot be noted must not hold the claim. */
  async #withoutSpend(items: readonly Settlement<unknown>[], reason: string): Promise<ClaimRef[]> {
    const { log } = this.#options;
    const spent = costsOf(spentOn(items));
    log.error({ reason, spent }, 'the cost of a call could not be recorded');
    try {
      return await this.#write(items, false);
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'a claim could not be released');
      return [];
    }
  }

  async #write(items: readonly Settlement<unknown>[], withSpend: boolean): Promise<ClaimRef[]> {
    const { stage, pool, gate, handBack, signal, log } = this.#options;
    const releases = items.flatMap(({ held: { claim }, outcome }): Release[] =>
      claim === undefined
        ? []
        : [{ ...claim, countsAsAttempt: outcome.kind === 'retry' && outcome.countsAsAttempt }],
    );
    const spent = withSpend ? spentOn(items) : [];
    const write = async (db: Queryable): Promise<HeldClaims> => {
      const kept = await release(db, stage, releases);
      await addSpend(db, stage.name, spent);
      return kept;
    };
    const once = (): Promise<HeldClaims> =>
      spent.length > 0 ? transaction(pool, write) : write(pool);
    const until = async (end: AbortSignal): Promise<HeldClaims> =>
      await persistently(once, {
        gate,
        signal: end,
        what: 'claims cannot be released',
        isItsFault: (error) => isServerError(error) && !handBack.aborted,
        onRetry: (error, attempt) => {
          const reason = messageOf(error);
          log.warn({ attempt, reason }, 'claims could not be released, trying again');
        },
      });
    const kept = await until(handBack.aborted ? signal : handBack).catch(async (error: unknown) => {
      if (!handBack.aborted || signal.aborted) throw error;
      return await until(signal);
    });
    return releases.filter((claim) => kept.has(claim));
  }
}
