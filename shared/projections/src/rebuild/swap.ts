import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  isTransientDatabaseError,
  messageOf,
  type Pool,
  type Queryable,
  transaction,
} from '@memfleet/runtime';
import type { Projection } from '../kit/define.ts';
import { LanesHeld, RebuildError } from './errors.ts';
import { type GiveWay, givingWay, isLockWait, limitLockWaits } from './give-way.ts';
import { holdLanes, releaseLanes } from './hold.ts';
import { behindBy, liveOf, type Place, readPlaces } from './places.ts';
import { pointViews } from './views.ts';

export interface Swap {
  readonly projection: string;
  /** The generation that the views show now. */
  readonly live: number;
  /** The generation that they showed before. */
  readonly before: number;
  /** Events that readers saw in the old tables and miss in the new ones; 0 unless forced. */
  readonly behind: number;
  readonly attempts: number;
  /** How long the live lanes did not write, in ms; for part of that the views could not be read. */
  readonly blockedMs: number;
}

export interface SwapOptions {
  readonly signal: AbortSignal;
  /** How long to keep trying, in ms: it waits for a long query on a view, but never with locks held. */
  readonly limitMs: number;
  readonly onRetry: (reason: string) => void;
}

/** How long the live lanes are held until the others are level; a rollback takes under a second. */
const LEVEL_MS = 1_000;
const ROLLBACK_LEVEL_MS = 500;
/** After this time the live lanes continue by themselves, should this process die. */
const HOLD_MS = 5_000;
const POLL_MS = 5;

/** The other generation is not level yet. */
class NotLevel extends Error {
  override readonly name = 'NotLevel';
}

export interface Choice {
  readonly target: Place;
  readonly demotedTo: 'previous' | 'next';
  /** Whether to refuse the swap rather than show less than before. */
  readonly mustBeLevel: boolean;
}

/** Chooses which generation replaces which: before any hold, and again in the swapping transaction. */
export type Choose = (db: Queryable, places: readonly Place[]) => Promise<Choice>;

/** Which generation replaces which: decided once, for all tries of a command. */
interface Plan {
  readonly live: number;
  readonly target: number;
}

/**
 * Makes another generation live in one transaction, and retries while readers or lanes are in the way.
 * @throws RebuildError when the swap is refused, another command did it, or the time is over
 */
export async function swap(
  pool: Pool,
  projection: Projection,
  { signal, limitMs, onRetry }: SwapOptions,
  choose: Choose,
): Promise<Swap> {
  const { name } = projection;
  const from = performance.now();
  let plan: Plan | undefined;
  /** Whether a try may have been committed without an answer. */
  let isUnsure = false;
  const known = (done: Done, attempts: number): Swap => {
    return { projection: name, ...done, attempts, blockedMs: performance.now() - from };
  };
  const options: GiveWay<Swap> = {
    signal,
    limitMs,
    onRetry,
    isWorthARetry: (error: unknown) =>
      error instanceof NotLevel || error instanceof LanesHeld || isTransientDatabaseError(error),
    onTimeout: async (reason, attempts) => {
      const done = isUnsure && plan ? await lookAgain(pool, name, plan) : undefined;
      if (done !== undefined) return known(done, attempts);
      throw new RebuildError(
        `could not swap within ${Math.round(limitMs / 1_000)} s: ${reason}`,
        'Nothing was changed. Look for long queries on the views, or for a lane that does not advance.',
      );
    },
  };
  return await givingWay(options, async (attempts) => {
    const places = await readPlaces(pool, name);
    const live = liveOf(name, places);
    const done = plan && doneBy(plan, places, live);
    if (done !== undefined) return known(done, attempts);
    const { target, mustBeLevel } = await choose(pool, places);
    plan ??= { live: live.generation, target: target.generation };
    checkPlan(name, plan, live, target);
    const swapped = swapLevel(pool, projection, plan, mustBeLevel, choose);
    swapped.catch((error: unknown) => {
      isUnsure ||= isTransientDatabaseError(error) && !isLockWait(error);
    });
    return { ...(await swapped), attempts };
  });
}

type Done = Pick<Swap, 'live' | 'before' | 'behind'>;

/** What a try before has done whose commit had no answer; undefined when it has done nothing. */
function doneBy(plan: Plan, places: readonly Place[], live: Place): Done | undefined {
  if (live.generation !== plan.target) return undefined;
  const before = places.find(({ generation }) => generation === plan.live);
  const behind = before === undefined ? 0 : behindBy(before, live);
  return { live: plan.target, before: plan.live, behind };
}

/**
 * What the last try has done, if its commit had no answer. It may be under way still: its rows are
 * waited for.
 * @throws RebuildError when the database does not say
 */
async function lookAgain(pool: Pool, name: string, plan: Plan): Promise<Done | undefined> {
  try {
    return await transaction(pool, async (client) => {
      await limitLockWaits(client);
      await lockGenerations(client, name);
      const places = await readPlaces(client, name);
      return doneBy(plan, places, liveOf(name, places));
    });
  } catch (error) {
    throw new RebuildError(
      `it is not known whether generation ${plan.target} of ${name} became live: ${messageOf(error)}`,
      'See `memfleet projection list` when the database answers.',
    );
  }
}

async function lockGenerations(client: Client, name: string): Promise<void> {
  await client.query(
    'select from memfleet.projection_generations where projection = $1 order by generation for update',
    [name],
  );
}

/** @throws RebuildError when another command has swapped meanwhile */
function checkPlan(name: string, plan: Plan, live: Place, target: Place): void {
  if (plan.live === live.generation && plan.target === target.generation) return;
  throw new RebuildError(
    `another command has made generation ${live.generation} of ${name} live meanwhile`,
    'See `memfleet projection list`, and run this again if it is still what you want.',
  );
}

type Swapped = Omit<Swap, 'attempts'>;

/** Holds the live lanes, waits for the others, swaps, and releases the lanes. */
async function swapLevel(
  pool: Pool,
  projection: Projection,
  plan: Plan,
  mustBeLevel: boolean,
  choose: Choose,
): Promise<Swapped> {
  const { name } = projection;
  const from = performance.now();
  // Not by locking their rows: transactions that wait for a lock keep their connections, and the lanes
  // that have to become level may need those.
  const hold = await holdLanes(pool, name, [plan.live], HOLD_MS);
  try {
    await comeLevel(pool, name, plan.target, mustBeLevel);
    const swapped = await transaction(pool, (client) => swapOnce(client, projection, plan, choose));
    return { ...swapped, blockedMs: performance.now() - from };
  } finally {
    await releaseLanes(pool, hold);
  }
}

/** @throws NotLevel when it must be level and is not in time */
async function comeLevel(pool: Pool, name: string, target: number, must: boolean): Promise<void> {
  const deadline = performance.now() + (must ? LEVEL_MS : ROLLBACK_LEVEL_MS);
  for (;;) {
    const places = await readPlaces(pool, name);
    const behind = behindBy(
      liveOf(name, places),
      places.find(({ generation }) => generation === target),
    );
    if (behind === 0) return;
    if (performance.now() > deadline) {
      if (!must) return;
      throw new NotLevel(`generation ${target} is ${behind} events behind the live one`);
    }
    await delay(POLL_MS);
  }
}

async function swapOnce(
  client: Client,
  projection: Projection,
  plan: Plan,
  choose: Choose,
): Promise<Omit<Swapped, 'blockedMs'>> {
  const { name } = projection;
  await limitLockWaits(client);
  // A concurrent rebuild or provisioning: each sees what the other has made. Row locks alone do not cover
  // a next generation that is being made and is not visible yet.
  await client.query('lock table memfleet.projection_generations in share row exclusive mode');
  // Of two concurrent swaps, or a swap and a retirement, which locks its row, the second sees the result
  // of the first.
  await lockGenerations(client, name);
  // No lane moves from here to the commit, even when the hold has run out.
  await client.query(
    `select from memfleet.checkpoints where projection = $1 order by generation, lane for update`,
    [name],
  );
  const places = await readPlaces(client, name);
  const live = liveOf(name, places);
  // The commit of the previous try may still have been in progress.
  if (live.generation === plan.target) throw new NotLevel('an earlier try has just succeeded');
  const { target, demotedTo, mustBeLevel } = await choose(client, places);
  checkPlan(name, plan, live, target);
  const behind = behindBy(live, target);
  if (mustBeLevel && behind > 0) throw new NotLevel('the lanes went on before the swap');
  const viewsSql = target.version === projection.version ? projection.viewsSql : target.viewsSql;
  if (viewsSql === null) {
    throw new RebuildError(
      `the views of version ${target.version} of ${name} are not known to this version`,
      'Run the command with the version that made them.',
    );
  }
  // Leaving first: only one may be live at any time.
  await client.query(
    `update memfleet.projection_generations set state = $3, demoted_at = now()
      where projection = $1 and generation = $2`,
    [name, live.generation, demotedTo],
  );
  await client.query(
    `update memfleet.projection_generations set state = 'live', demoted_at = null
      where projection = $1 and generation = $2`,
    [name, target.generation],
  );
  await pointViews(client, { name, viewsSql }, target.generation);
  return { projection: name, live: target.generation, before: live.generation, behind };
}
