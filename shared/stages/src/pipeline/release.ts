import type { Spent } from '@memfleet/models';
import {
  isServerError,
  isTransientDatabaseError,
  messageOf,
  type Queryable,
  sqlState,
  transaction,
} from '@memfleet/runtime';
import { type ClaimRef, HeldClaims, type Release, release } from '../claims/held-claims.ts';
import type { EndedJob } from '../job.ts';
import { addCosts, costsOf, spentOn } from './costs.ts';
import { persistently } from './persistently.ts';
import type { Running } from './running.ts';

/** How often one batch may be cut off, as by a time limit, before claims and costs are written apart. */
const MOST_TROUBLES = 3;
/** How long a cost waits for a row that somebody has locked: the next releases wait behind it. */
const LOCK_MS = 1_000;
/** When the costs of this many tenants cannot be noted, the row of all tenants is locked. */
const MOST_LOCKED = 3;
/**
 * A time limit, or a lock that was not granted: somebody holds one of the rows. Other troubles, such as a
 * full disk, are those of the whole database, and pass.
 */
const CUT_OFF = /^(57014|55P03|25P03|25P04)$/;

export type ReleaseRun = Pick<Running, 'log' | 'output' | 'pool' | 'shutdown' | 'stage'>;

/**
 * Gives claims back, and notes the cost of calls without a result. It retries for as long as the database
 * is away: a claim that is not released would count as the death of a worker, and the spending would be
 * forgotten. A batch that is cut off again and again, as while somebody has locked a row of the spending,
 * is not retried for ever, since all other releases wait behind it: the claims are given back first, and
 * then each cost by itself. A cost that the database refuses alone, or at the end of a process, is only in
 * the log. A claim that is released twice counts one try (its lease says so).
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
    const { handBack, end } = this.#run.shutdown;
    try {
      return await this.#write(items, spentOn(items), MOST_TROUBLES);
    } catch (error) {
      const reason = messageOf(error);
      if (!end.aborted && handBack.aborted && isServerError(error)) {
        return await this.#withoutSpend(items, reason);
      }
      // Until the end, `persistently` waits out the database's own trouble, except that of one statement.
      if (end.aborted) return this.#unreleased(items, reason);
      if (CUT_OFF.test(sqlState(error))) return await this.#apart(items);
      if (items.length === 1) return await this.#withoutSpend(items, reason);
      const middle = Math.ceil(items.length / 2);
      const first = await this.#split(items.slice(0, middle));
      return [...first, ...(await this.#split(items.slice(middle)))];
    }
  }

  /** A cost that cannot be noted must not hold the claim. */
  async #withoutSpend(items: readonly EndedJob[], reason: string): Promise<ClaimRef[]> {
    this.#unnoted(spentOn(items), reason);
    return await this.#claimsOf(items);
  }

  /** In case of a crash between the two the costs are lost, as they would be if nothing were written. */
  async #apart(items: readonly EndedJob[]): Promise<ClaimRef[]> {
    const released = await this.#claimsOf(items);
    await this.#noteEach(spentOn(items));
    return released;
  }

  /** Gives claims back without their costs. One whose own row is locked does not hold the others. */
  async #claimsOf(items: readonly EndedJob[]): Promise<ClaimRef[]> {
    try {
      return await this.#write(items, [], 1);
    } catch (error) {
      const { end } = this.#run.shutdown;
      if (end.aborted || items.length === 1) return this.#unreleased(items, messageOf(error));
      const middle = Math.ceil(items.length / 2);
      const first = await this.#claimsOf(items.slice(0, middle));
      return [...first, ...(await this.#claimsOf(items.slice(middle)))];
    }
  }

  async #noteEach(spent: readonly Spent[]): Promise<void> {
    const { stage, pool, log } = this.#run;
    const locked = new Set<string>();
    for (const one of spent) {
      if (locked.has(one.tenant) || locked.size >= MOST_LOCKED) {
        this.#unnoted([one], 'the costs before it could not be noted');
        continue;
      }
      try {
        await transaction(pool, async (db) => {
          await db.query(`set local lock_timeout = ${LOCK_MS}`);
          await addCosts(db, { stage, log }, [one]);
        });
      } catch (error) {
        locked.add(one.tenant);
        this.#unnoted([one], messageOf(error));
      }
    }
  }

  #unnoted(spent: readonly Spent[], reason: string): void {
    if (spent.length === 0) return;
    const { log } = this.#run;
    log.error({ reason, spent: costsOf(spent) }, 'the cost of a call could not be recorded');
  }

  /** We do not know who holds the events now; the claims expire, and the ack wait redelivers them. */
  #unreleased(items: readonly EndedJob[], reason: string): [] {
    this.#run.log.error(
      { events: items.length, reason },
      'claims could not be released, their events will be redelivered',
    );
    return [];
  }

  async #write(
    items: readonly EndedJob[],
    spent: readonly Spent[],
    mostTroubles: number,
  ): Promise<ClaimRef[]> {
    const { stage, pool, output: gate, shutdown, log } = this.#run;
    const { handBack, end } = shutdown;
    const releases = items.flatMap(({ claim, outcome }): Release[] =>
      claim === undefined
        ? []
        : [{ ...claim, countsAsAttempt: outcome.kind === 'retry' && outcome.countsAsAttempt }],
    );
    const write = async (db: Queryable): Promise<HeldClaims> => {
      const kept = await release(db, stage, releases);
      await addCosts(db, { stage, log }, spent);
      return kept;
    };
    const once = (): Promise<HeldClaims> =>
      spent.length > 0 ? transaction(pool, write) : write(pool);
    let troubles = 0;
    const until = async (signal: AbortSignal): Promise<HeldClaims> =>
      await persistently(once, {
        gate,
        signal,
        what: 'claims cannot be released',
        isTransient: (error) => {
          if (CUT_OFF.test(sqlState(error))) troubles += 1;
          return isTransientDatabaseError(error) && troubles < mostTroubles;
        },
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
