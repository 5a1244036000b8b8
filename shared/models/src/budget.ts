import {
  Batcher,
  type BudgetConfig,
  type BudgetLimits,
  type Logger,
  type Queryable,
} from '@memfleet/runtime';
import { type Cost, isCost, mustBeCost, sum, ZERO } from './cost.ts';
import type { Pause } from './pause.ts';
import { EVERY_TENANT, readSpend, type SpendSoFar } from './spend.ts';

/** Room in the budget that is reserved for a call until its cost is known. */
export interface Reservation {
  /** The call has ended; without a cost nothing was spent, and what is no amount counts as expected. */
  settle(cost?: Cost): void;
}

/** No call was made: the budget of a tenant, or of the stage, has no room for it. */
export class BudgetSpent extends Error {
  override readonly name = 'BudgetSpent';
  readonly afterMs: number;

  constructor(cause: string, afterMs: number) {
    super(cause);
    this.afterMs = afterMs;
  }
}

/**
 * This process's spending appears in the table when its result is committed. Until then, and for this
 * long at most, it is counted here. (For a moment it may be counted twice, but it is never missed.)
 */
const UNSEEN_MS = 2_000;
/** How soon to look again when only calls in progress fill the budget. */
const LOOK_AGAIN_MS = 1_000;
/** A tenant without calls for this long is no longer looked up. */
const FORGET_MS = 600_000;

type Window = 'hour' | 'day';

interface Limit {
  readonly limit: number;
  readonly spent: number;
  readonly unit: keyof Cost;
  readonly window: Window;
  /** Time until the window moves, in ms. */
  readonly leftMs: number;
}

interface Account {
  readonly tenant: string;
  readonly limits: BudgetLimits;
  spent: SpendSoFar;
  recent: { readonly at: number; readonly cost: Cost }[];
  /** The sum of the open reservations, and their number: sums of fractions do not return to 0. */
  reserved: Cost;
  open: number;
  spentUp: { readonly pause: Pause; readonly wanted: Cost; readonly isReal: boolean } | undefined;
  usedAt: number;
}

/**
 * Stops calls before they are made, once the tokens or the money of an hour or a day (UTC) are spent,
 * for the whole stage or for one tenant. Calls resume by themselves when the window moves.
 *
 * The bound: the spending is read from the table every second, and the rest of the budget is divided
 * among the live processes; every call first reserves its expected cost. So a budget is exceeded by no
 * more than the cost of calls in progress beyond their estimates, plus the reservations of other
 * processes since the last look (a second). When the rest is too small for one call per process, each
 * process makes one call at a time.
 */
export class Budget {
  readonly #stage: string;
  readonly #config: BudgetConfig;
  readonly #db: Queryable;
  readonly #log: Logger;
  readonly #accounts = new Map<string, Account>();
  readonly #loads: Batcher<string, SpendSoFar>;
  #processes = 1;

  constructor(options: {
    readonly stage: string;
    readonly config: BudgetConfig;
    readonly db: Queryable;
    readonly log: Logger;
  }) {
    const { stage, db } = options;
    this.#stage = stage;
    this.#config = options.config;
    this.#db = db;
    this.#log = options.log;
    this.#loads = new Batcher({
      flush: async (tenants) => {
        const spent = await readSpend(db, stage, [...new Set(tenants)]);
        return tenants.map((tenant) => spent.get(tenant) ?? NOTHING);
      },
      size: 256,
      lingerMs: 2,
      parallel: 2,
    });
  }

  /**
   * @throws BudgetSpent; the database's error when a tenant is looked up for the first time; or a TypeError
   *   when the cost is no amount
   */
  async reserve(tenant: string, cost: Cost): Promise<Reservation> {
    mustBeCost(cost);
    const accounts = await this.#accountsOf(tenant);
    // No wait from here on: nothing may come between the check and the reservation.
    for (const account of accounts) {
      account.usedAt = performance.now();
      this.#check(account, cost);
    }
    for (const account of accounts) {
      account.open += 1;
      account.reserved = sum(account.reserved, cost, 1);
    }
    let isSettled = false;
    return {
      settle: (actual) => {
        if (isSettled) return;
        isSettled = true;
        for (const account of accounts) {
          account.open -= 1;
          account.reserved = account.open === 0 ? ZERO : sum(account.reserved, cost, -1);
          if (actual === undefined) continue;
          const real = isCost(actual) ? actual : cost;
          account.recent.push({ at: performance.now(), cost: real });
        }
      },
    };
  }

  /** Why the whole stage makes no calls at the moment. */
  get pause(): Pause | undefined {
    return this.#pauseOf(EVERY_TENANT);
  }

  /** Whether calls for this tenant are stopped at the moment. */
  isSpent(tenant: string): boolean {
    return this.#pauseOf(tenant) !== undefined;
  }

  /** The tenants whose calls are stopped. */
  get spentTenants(): string[] {
    return [...this.#accounts.keys()].filter(
      (tenant) => tenant !== EVERY_TENANT && this.isSpent(tenant),
    );
  }

  /** Reads the spending of all processes, and reopens accounts that have room again. */
  async refresh(processes: number): Promise<void> {
    this.#processes = Math.max(1, processes);
    const startedAt = performance.now();
    for (const [tenant, account] of this.#accounts) {
      // Events of a spent tenant wait for as long as that is known: no call keeps it in use.
      const isIdle = account.open === 0 && !this.isSpent(tenant);
      if (isIdle && startedAt - account.usedAt > FORGET_MS) this.#accounts.delete(tenant);
    }
    if (this.#accounts.size === 0) return;
    const spent = await readSpend(this.#db, this.#stage, [...this.#accounts.keys()]);
    for (const [tenant, account] of this.#accounts) {
      account.spent = spent.get(tenant) ?? account.spent;
      account.recent = account.recent.filter(({ at }) => startedAt - at < UNSEEN_MS);
      this.#open(account);
    }
  }

  #pauseOf(tenant: string): Pause | undefined {
    const pause = this.#accounts.get(tenant)?.spentUp?.pause;
    return pause !== undefined && pause.untilMs > performance.now() ? pause : undefined;
  }

  async #accountsOf(tenant: string): Promise<Account[]> {
    const { perTenant, ...whole } = this.#config;
    const wanted = [
      { tenant: EVERY_TENANT, limits: whole },
      { tenant, limits: perTenant ?? {} },
    ].filter(({ limits }) => Object.keys(limits).length > 0);
    return await Promise.all(
      wanted.map(async ({ tenant: name, limits }) => {
        if (!this.#accounts.has(name)) {
          const spent = await this.#loads.add(name);
          const account: Account = {
            tenant: name,
            limits,
            spent,
            recent: [],
            reserved: ZERO,
            open: 0,
            spentUp: undefined,
            usedAt: performance.now(),
          };
          if (!this.#accounts.has(name)) this.#accounts.set(name, account);
        }
        return this.#accounts.get(name) as Account;
      }),
    );
  }

  /** @throws BudgetSpent */
  #check(account: Account, cost: Cost): void {
    const now = performance.now();
    const known = account.spentUp?.pause;
    if (known !== undefined && known.untilMs > now) {
      throw new BudgetSpent(known.cause, known.untilMs - now);
    }
    const own = account.recent.reduce((all, item) => sum(all, item.cost, 1), account.reserved);
    const isAlone = own.tokens + own.usd <= 0;
    for (const { limit, spent, unit, window, leftMs } of limitsOf(account)) {
      const rest = limit - spent;
      const room = isAlone ? rest : rest / this.#processes;
      // A call that costs more than a whole budget gets one to itself, or it could never be made.
      const wanted = Math.min(cost[unit], limit);
      if (own[unit] + wanted <= room) continue;
      const spentUp = this.#close(account, cost, {
        limit,
        spent,
        unit,
        window,
        leftMs,
        isReal: wanted > rest,
      });
      throw new BudgetSpent(spentUp.cause, spentUp.untilMs - now);
    }
  }

  /** Stops calls until the window moves; or briefly, when only calls in progress fill the budget. */
  #close(account: Account, wanted: Cost, what: Limit & { readonly isReal: boolean }): Pause {
    const { limit, spent, unit, window, leftMs, isReal } = what;
    const forMs = isReal ? leftMs : Math.min(leftMs, LOOK_AGAIN_MS);
    const pause = { cause: causeOf(account, what), untilMs: performance.now() + forMs };
    const wasReal = account.spentUp?.isReal ?? false;
    account.spentUp = { pause, wanted, isReal };
    if (isReal && !wasReal) {
      this.#log.warn(
        { tenant: account.tenant, limit, spent, unit, window },
        'the budget is spent, calls stop until the window moves',
      );
    }
    return pause;
  }

  /** Allows calls again where there is room: the window has moved. */
  #open(account: Account): void {
    const { spentUp } = account;
    if (spentUp === undefined) return;
    const { wanted, isReal } = spentUp;
    const full = [...limitsOf(account)].find(
      ({ limit, spent, unit }) => spent + Math.min(wanted[unit], limit) > limit,
    );
    if (full !== undefined) {
      this.#close(account, wanted, { ...full, isReal: true });
      return;
    }
    account.spentUp = undefined;
    if (isReal) {
      this.#log.info({ tenant: account.tenant }, 'the budget has room again, calls resume');
    }
  }
}

const NOTHING: SpendSoFar = {
  hourTokens: 0,
  hourUsd: 0,
  dayTokens: 0,
  dayUsd: 0,
  hourLeftMs: 3_600_000,
  dayLeftMs: 86_400_000,
};

function* limitsOf({ limits, spent }: Account): Generator<Limit> {
  const { hourlyUsd, dailyUsd, hourlyTokens, dailyTokens } = limits;
  const hour = { window: 'hour' as const, leftMs: spent.hourLeftMs };
  const day = { window: 'day' as const, leftMs: spent.dayLeftMs };
  // The longer window first: an account that waits for the day need not be checked again in an hour.
  if (dailyUsd !== undefined) yield { limit: dailyUsd, spent: spent.dayUsd, unit: 'usd', ...day };
  if (dailyTokens !== undefined) {
    yield { limit: dailyTokens, spent: spent.dayTokens, unit: 'tokens', ...day };
  }
  if (hourlyUsd !== undefined) {
    yield { limit: hourlyUsd, spent: spent.hourUsd, unit: 'usd', ...hour };
  }
  if (hourlyTokens !== undefined) {
    yield { limit: hourlyTokens, spent: spent.hourTokens, unit: 'tokens', ...hour };
  }
}

function causeOf({ tenant }: Account, what: Limit & { readonly isReal: boolean }): string {
  const { limit, unit, window, isReal } = what;
  const amount = unit === 'usd' ? `$${limit}` : `${limit} tokens`;
  const whose = tenant === EVERY_TENANT ? 'the stage' : `tenant ${tenant}`;
  return isReal
    ? `budget: ${whose} has spent its ${amount} for this ${window}`
    : `budget: calls in progress may use up the ${amount} of ${whose} for this ${window}`;
}
