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
import { type Settlement, spentOn } from './recorder.ts';

export interface ReleaserOptions {
  readonly stage: StageIdentity;
  readonly pool: Pool;
  readonly gate: OutputGate;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/**
 * Gives claims back, and notes what the calls cost that came to nothing. Repeated for as long as the
 * database is away: a claim that is not released would count as the death of a worker, and what was
 * spent would be forgotten. A claim that is released twice counts one try (its lease says so).
 */
export class Releaser {
  readonly #options: ReleaserOptions;

  constructor(options: ReleaserOptions) {
    this.#options = options;
  }

  /** @returns the claims that were still ours; of the others nothing may be said to the broker */
  async release(items: readonly Settlement<unknown>[]): Promise<HeldClaims> {
    const claimed = items.filter(({ held }) => held.claim !== undefined);
    return claimed.length === 0 ? new HeldClaims([]) : new HeldClaims(await this.#split(claimed));
  }

  async #split(items: readonly Settlement<unknown>[]): Promise<ClaimRef[]> {
    const { log, signal } = this.#options;
    try {
      return await this.#write(items, true);
    } catch (error) {
      const reason = messageOf(error);
      // Until the signal, the database's own trouble is waited for (`persistently`).
      if (signal.aborted) {
        // Whose the events are is not known; the claims run out, and the ack wait brings them again.
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
    log.error({ reason }, 'what a call cost could not be noted');
    try {
      return await this.#write(items, false);
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'a claim could not be released');
      return [];
    }
  }

  async #write(items: readonly Settlement<unknown>[], withSpend: boolean): Promise<ClaimRef[]> {
    const { stage, pool, gate, signal, log } = this.#options;
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
    const kept = await persistently(
      () => (spent.length > 0 ? transaction(pool, write) : write(pool)),
      {
        gate,
        signal,
        what: 'claims cannot be released',
        isItsFault: isServerError,
        onRetry: (error, attempt) => {
          const reason = messageOf(error);
          log.warn({ attempt, reason }, 'claims could not be released, trying again');
        },
      },
    );
    return releases.filter((claim) => kept.has(claim));
  }
}
