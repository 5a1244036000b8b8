import { isServerError, messageOf, type Queryable, transaction } from '@memfleet/runtime';
import { type ClaimRef, HeldClaims, type Release, release } from '../claims/held-claims.ts';
import type { EndedJob } from '../job.ts';
import { addCosts, costsOf, spentOn } from './costs.ts';
import { persistently } from './persistently.ts';
import type { Running } from './running.ts';

export type ReleaseRun = Pick<Running, 'log' | 'output' | 'pool' | 'shutdown' | 'stage'>;

/**
 * Gives claims back, and notes the cost of calls without a result. It retries for as long as the database
 * is away: a claim that is not released would count as the death of a worker, and the spending would be
 * forgotten. At the end of a process, a cost that the database refuses is only in the log. A claim that is
 * released twice counts one try (its lease says so).
 */
export class Releaser {
  readonly #run: ReleaseRun;

  constructor(run: ReleaseRun) {
    this.#run = run;
  }

  /** @returns the claims that were still ours; the broker must hear nothing about the others */
  async release(items: readonly EndedJob[]): Promise<HeldClaims> {
    const claimed = items.filter(({ claim }) => claim !== undefined);
    return claimed.length === 0 ? new HeldClaims([]) : new HeldClaims(await this.#split(claimed));
  }

  async #split(items: readonly EndedJob[]): Promise<ClaimRef[]> {
    const { log, shutdown } = this.#run;
    const { handBack, end } = shutdown;
    try {
      return await this.#write(items, true);
    } catch (error) {
      const reason = messageOf(error);
      if (!end.aborted && handBack.aborted && isServerError(error)) {
        return await this.#withoutSpend(items, reason);
      }
      // Until the end, `persistently` waits out the database's own trouble.
      if (end.aborted) {
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
  async #withoutSpend(items: readonly EndedJob[], reason: string): Promise<ClaimRef[]> {
    const { log } = this.#run;
    const spent = costsOf(spentOn(items));
    log.error({ reason, spent }, 'the cost of a call could not be recorded');
    try {
      return await this.#write(items, false);
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'a claim could not be released');
      return [];
    }
  }

  async #write(items: readonly EndedJob[], withSpend: boolean): Promise<ClaimRef[]> {
    const { stage, pool, output: gate, shutdown, log } = this.#run;
    const { handBack, end } = shutdown;
    const releases = items.flatMap(({ claim, outcome }): Release[] =>
      claim === undefined
        ? []
        : [{ ...claim, countsAsAttempt: outcome.kind === 'retry' && outcome.countsAsAttempt }],
    );
    const spent = withSpend ? spentOn(items) : [];
    const write = async (db: Queryable): Promise<HeldClaims> => {
      const kept = await release(db, stage, releases);
      await addCosts(db, { stage, log }, spent);
      return kept;
    };
    const once = (): Promise<HeldClaims> =>
      spent.length > 0 ? transaction(pool, write) : write(pool);
    const until = async (signal: AbortSignal): Promise<HeldClaims> =>
      await persistently(once, {
        gate,
        signal,
        what: 'claims cannot be released',
        isItsFault: (error) => isServerError(error) && !handBack.aborted,
        onRetry: (error, attempt) => {
          const reason = messageOf(error);
          log.warn({ attempt, reason }, 'claims could not be released, trying again');
        },
      });
    const kept = await until(handBack.aborted ? end : handBack).catch(async (error: unknown) => {
      if (!handBack.aborted || end.aborted) throw error;
      return await until(end);
    });
    return releases.filter((claim) => kept.has(claim));
  }
}
