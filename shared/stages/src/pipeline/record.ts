import type { Spent } from '@memfleet/models';
import {
  isServerError,
  isStatementTrouble,
  isTransientDatabaseError,
  messageOf,
  type Queryable,
  retryTransient,
  transaction,
} from '@memfleet/runtime';
import { PROBE_AFTER_MS, Refused } from '../admission/output-gate.ts';
import { type Finished, record } from '../claims/dedupe.ts';
import type { HeldClaims } from '../claims/held-claims.ts';
import type { CheckedJob, EndedJob } from '../job.ts';
import { addCosts, costsOf, spentOn } from './costs.ts';
import type { Standing } from './outlet.ts';
import { refusalOf } from './persistently.ts';
import { finishedOf } from './recorded-result.ts';
import type { Running } from './running.ts';

/** How often one batch may be cut off, as by a time limit, before it is tried in parts. */
const MOST_TROUBLES = 3;

/** The outcome of recording one result; `unknown` when the end came before an answer. */
export type RecordAnswer =
  | { readonly kind: 'recorded' | 'lost' | 'unknown' }
  /** The database refuses it alone, or while it stores others. */
  | { readonly kind: 'unstorable'; readonly error: unknown }
  | Refused;

export type RecordRun<Extra> = Pick<Running<Extra>, 'log' | 'pool' | 'shutdown' | 'stage'>;

/**
 * Records results, what they carry and what they cost, in one transaction per batch. When the database
 * refuses a batch, the recorder tries its halves, down to the single event: the failure of one event
 * must not decide about another.
 */
export class Recorder<Extra> {
  readonly #run: RecordRun<Extra>;
  #carriesExtras = false;
  /** Whether a result that came alone has been blamed since a result was last stored. */
  #hasBlamed = false;

  constructor(run: RecordRun<Extra>) {
    this.#run = run;
  }

  /**
   * Whether recording this item proves that others can be recorded too. Where results carry something to
   * store, only an item that does so is proof: a table that refuses it stays silent when offered nothing.
   */
  proves(item: CheckedJob<Extra>): boolean {
    return hasExtra(item) || !this.#carriesExtras;
  }

  /** @returns one answer per item, in order */
  async record(items: readonly CheckedJob<Extra>[], standing: Standing): Promise<RecordAnswer[]> {
    this.#carriesExtras ||= items.some(hasExtra);
    const answers = await this.#split(items, standing === 'proven');
    const recorded = items.filter((_, index) => kindOf(answers[index]) === 'recorded');
    if (recorded.some((item) => this.proves(item))) this.#hasBlamed = false;
    return answers.map((answer, index) => {
      const item = items[index];
      if (isRefused(answer) || answer.kind !== 'unstorable' || item === undefined) return answer;
      const isProven = recorded.some((other) => this.proves(other) || !hasExtra(item));
      if (isProven || standing === 'proven') return answer;
      if (items.length === 1 && standing === 'open' && this.#blames(item)) return answer;
      const { cause } = refusalOf('no result can be recorded', answer.error);
      return new Refused(cause, PROBE_AFTER_MS.unclear);
    });
  }

  /**
   * When several results all fail, none can be told from a fault of the database, whether they come at once
   * or one after the other, as in a quiet stage. The first that comes alone is blamed all the same, or each
   * bad result of a quiet stage would stop it until another event comes. An innocent result loses one try:
   * everything after it, including its own next try, waits until something is stored. Blaming a parked event
   * costs it nothing.
   */
  #blames({ outcome }: CheckedJob<Extra>): boolean {
    if (outcome.kind === 'park') return true;
    const isFirst = !this.#hasBlamed;
    this.#hasBlamed = true;
    return isFirst;
  }

  /** @param isProven whether the database has just recorded another: then any error is the item's fault */
  async #split(items: readonly CheckedJob<Extra>[], isProven: boolean): Promise<RecordAnswer[]> {
    const { end } = this.#run.shutdown;
    try {
      const kept = await this.#write(items);
      return items.map(({ claim }) =>
        claim !== undefined && kept.has(claim) ? { kind: 'recorded' } : { kind: 'lost' },
      );
    } catch (error) {
      // We do not know who holds the events now, so nothing is reported: the ack wait redelivers them.
      if (end.aborted && isTransientDatabaseError(error)) {
        return items.map(() => ({ kind: 'unknown' }));
      }
      if (isServerError(error) && !(isProven && items.length === 1)) {
        return items.map(() => refusalOf('results cannot be recorded', error));
      }
      if (items.length === 1) return [await this.#withoutSpend(items, error)];
      const middle = Math.ceil(items.length / 2);
      const first = await this.#split(items.slice(0, middle), false);
      return [...first, ...(await this.#split(items.slice(middle), false))];
    }
  }

  /** Records an item that is cut off without its cost: somebody may have locked the row of its cost. */
  async #withoutSpend(items: readonly CheckedJob<Extra>[], error: unknown): Promise<RecordAnswer> {
    const spent = spentOn(items);
    if (spent.length === 0 || !isStatementTrouble(error)) return { kind: 'unstorable', error };
    try {
      const kept = await this.#write(items, []);
      const { log } = this.#run;
      log.error(
        { reason: messageOf(error), spent: costsOf(spent) },
        'the cost of a call could not be recorded',
      );
      const isKept = items.every(({ claim }) => claim !== undefined && kept.has(claim));
      return { kind: isKept ? 'recorded' : 'lost' };
    } catch (again) {
      return { kind: 'unstorable', error: again };
    }
  }

  /** @returns the claims that were still ours */
  async #write(
    items: readonly CheckedJob<Extra>[],
    spent: readonly Spent[] = spentOn(items),
  ): Promise<HeldClaims> {
    const { stage, pool, shutdown, log } = this.#run;
    const finished: Finished[] = [];
    const extras: { claim: Finished; extra: Extra }[] = [];
    for (const { claim, outcome, attempts, derived } of items) {
      if (claim === undefined || outcome.kind === 'retry') continue;
      const row = finishedOf(claim, outcome, attempts, derived);
      finished.push(row);
      if (outcome.kind === 'done' && outcome.extra !== undefined) {
        extras.push({ claim: row, extra: outcome.extra });
      }
    }
    const write = async (db: Queryable): Promise<HeldClaims> => {
      const kept = await record(db, stage, finished);
      const stored = extras.filter(({ claim }) => kept.has(claim)).map(({ extra }) => extra);
      if (stored.length > 0) await stage.persist?.(db, stored);
      // Costs also count for lost claims: the calls were paid for.
      await addCosts(db, { stage, log }, spent);
      return kept;
    };
    const once = (): Promise<HeldClaims> =>
      extras.length + spent.length > 0 ? transaction(pool, write) : write(pool);
    let troubles = 0;
    return await retryTransient(once, {
      signal: shutdown.end,
      // One of them needs too long and must not hold up the others: they are tried without it.
      isTransient: (error) => {
        if (isStatementTrouble(error)) troubles += 1;
        return isTransientDatabaseError(error) && troubles < MOST_TROUBLES;
      },
      onRetry: (error, attempt) => {
        const reason = messageOf(error);
        log.warn({ attempt, reason }, 'results could not be recorded, trying again');
      },
    });
  }
}

function hasExtra({ outcome }: EndedJob): boolean {
  return outcome.kind === 'done' && outcome.extra !== undefined;
}

function kindOf(answer: RecordAnswer | undefined): string {
  return answer === undefined || isRefused(answer) ? 'refused' : answer.kind;
}

function isRefused(answer: RecordAnswer): answer is Refused {
  return answer instanceof Refused;
}
