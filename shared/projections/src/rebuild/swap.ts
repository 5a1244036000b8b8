import { setTimeout as delay } from 'node:timers/promises';
import { type Client, isTransientDatabaseError, type Pool, transaction } from '@memfleet/runtime';
import type { Projection } from '../kit/define.ts';
import { LanesHeld, RebuildError } from './errors.ts';
import { holdLanes, releaseLanes } from './hold.ts';
import { type Place, readPlaces } from './places.ts';
import { pointViews } from './views.ts';

export interface Swap {
  readonly projection: string;
  /** What the views show now. */
  readonly live: number;
  /** What they showed before. */
  readonly before: number;
  /** Events that readers have seen in the old tables and miss in the new ones; 0 unless forced. */
  readonly behind: number;
  readonly attempts: number;
  /** How long the live lanes did not write, in ms; the views could not be read for a part of that. */
  readonly blockedMs: number;
}

export interface SwapOptions {
  readonly signal: AbortSignal;
  /** How long to try for, in ms: a long query on a view is waited for, but never with locks held. */
  readonly limitMs: number;
  readonly onRetry: (reason: string) => void;
}

/**
 * Shorter than PostgreSQL's deadlock check (1 s by default): when a reader and this wait for each
 * other, it is this that gives up.
 */
const LOCK_MS = 200;
/** How long the live lanes are held for the others to come level; a rollback takes under a second. */
const LEVEL_MS = 1_000;
const ROLLBACK_LEVEL_MS = 500;
/** When the live lanes go on by themselves, should this process die. */
const HOLD_MS = 5_000;
const POLL_MS = 5;

/** The other generation is not level yet. */
class NotLevel extends Error {
  override readonly name = 'NotLevel';
}

/**
 * Makes the next generation live in one transaction. The live lanes are held until the next ones have
 * come level, so that no reader sees less than it did a moment before.
 * @throws RebuildError when it may not be promoted, or readers or lanes do not let it in time
 */
export async function promoteNext(
  pool: Pool,
  projection: Projection,
  options: SwapOptions & { readonly maxLag: number; readonly force: boolean },
): Promise<Swap> {
  return await swap(pool, projection, options, (places) => {
    const next = places.find(({ state }) => state === 'next');
    if (next === undefined) {
      throw new RebuildError(
        `projection ${projection.name} has no next generation`,
        `Run \`memfleet projection rebuild ${projection.name}\` first.`,
      );
    }
    checkFilled(projection.name, next);
    if (!options.force) checkReady(projection.name, places, next, options.maxLag);
    return { target: next, demotedTo: 'previous', mustBeLevel: !options.force };
  });
}

/**
 * Makes the generation live again that was so before. It does not insist on anything: a rollback is
 * for bad moments. What was live becomes the next one, and may be promoted again.
 * @throws RebuildError when there is none to go back to
 */
export async function rollBack(
  pool: Pool,
  projection: Projection,
  options: SwapOptions,
): Promise<Swap> {
  return await swap(pool, projection, options, (places) => {
    const [target] = places
      .filter(({ state }) => state === 'previous')
      .toSorted((a, b) => b.demotedAt - a.demotedAt);
    if (target === undefined) {
      throw new RebuildError(
        `projection ${projection.name} has no previous generation`,
        'There is nothing to go back to; a rebuild makes new tables from the log.',
      );
    }
    const hasNext = places.some(({ state }) => state === 'next');
    return { target, demotedTo: hasNext ? 'previous' : 'next', mustBeLevel: false };
  });
}

/** Without its indexes every reader would search through whole tables. */
function checkFilled(name: string, { generation, isFilling }: Place): void {
  if (!isFilling) return;
  throw new RebuildError(
    `generation ${generation} of ${name} is still being filled`,
    `\`memfleet projection rebuild ${name}\` shows how far it is, and makes its indexes.`,
  );
}

function checkReady(name: string, places: readonly Place[], next: Place, maxLag: number): void {
  const live = liveOf(name, places);
  if (next.verifiedAgainst === null || next.verifiedAgainst !== live.generation) {
    throw new RebuildError(
      `generation ${next.generation} of ${name} has not been verified against the live one`,
      `Run \`memfleet projection verify ${name}\` first; --force promotes it all the same.`,
    );
  }
  const behind = behindBy(live, next);
  if (behind > maxLag) {
    throw new RebuildError(
      `generation ${next.generation} of ${name} is ${behind} events behind the live one, more than ${maxLag}`,
      'Wait until it has caught up; --max-lag allows more.',
    );
  }
}

interface Choice {
  readonly target: Place;
  readonly demotedTo: 'previous' | 'next';
  /** Whether it is better not to swap at all than to show less than before. */
  readonly mustBeLevel: boolean;
}

async function swap(
  pool: Pool,
  projection: Projection,
  { signal, limitMs, onRetry }: SwapOptions,
  choose: (places: readonly Place[]) => Choice,
): Promise<Swap> {
  const deadline = performance.now() + limitMs;
  for (let attempts = 1; ; attempts += 1) {
    signal.throwIfAborted();
    try {
      return { ...(await swapLevel(pool, projection, choose)), attempts };
    } catch (error) {
      if (!isWorthARetry(error)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (performance.now() > deadline) {
        throw new RebuildError(
          `could not swap within ${Math.round(limitMs / 1_000)} s: ${reason}`,
          'Nothing was changed. Look for long queries on the views, or for a lane that stands still.',
        );
      }
      onRetry(reason);
      // Readers that queued up behind the locks get their turn.
      await delay(100 + Math.random() * 200, undefined, { signal });
    }
  }
}

function isWorthARetry(error: unknown): boolean {
  return error instanceof NotLevel || error instanceof LanesHeld || isTransientDatabaseError(error);
}

type Swapped = Omit<Swap, 'attempts'>;

/** Holds the live lanes, waits for the others, swaps, and lets go. */
async function swapLevel(
  pool: Pool,
  projection: Projection,
  choose: (places: readonly Place[]) => Choice,
): Promise<Swapped> {
  const { name } = projection;
  const places = await readPlaces(pool, name);
  const { target, mustBeLevel } = choose(places);
  const live = liveOf(name, places);
  const from = performance.now();
  // Not by locking their rows: transactions that wait for a lock keep connections, and the lanes
  // that have to come level may need just those.
  const hold = await holdLanes(pool, name, [live.generation], HOLD_MS);
  try {
    await comeLevel(pool, name, target.generation, mustBeLevel);
    const swapped = await transaction(pool, (client) => swapOnce(client, projection, choose));
    return { ...swapped, blockedMs: performance.now() - from };
  } finally {
    await releaseLanes(pool, hold);
  }
}

/** @throws NotLevel when it must be and is not in time */
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
  choose: (places: readonly Place[]) => Choice,
): Promise<Omit<Swapped, 'blockedMs'>> {
  const { name } = projection;
  await client.query(`set local lock_timeout = ${LOCK_MS}`);
  // Two swaps at once: the second sees what the first has made.
  await client.query(
    'select from memfleet.projection_generations where projection = $1 order by generation for update',
    [name],
  );
  const places = await readPlaces(client, name);
  const { target, demotedTo, mustBeLevel } = choose(places);
  const live = liveOf(name, places);
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

/** @throws RebuildError */
function liveOf(name: string, places: readonly Place[]): Place {
  const live = places.find(({ state }) => state === 'live');
  if (live !== undefined) return live;
  throw new RebuildError(`projection ${name} is not provisioned`, 'Run `memfleet provision`.');
}

/** Lane by lane where both have the same ones; else by the slowest against the fastest. */
function behindBy(live: Place, other: Place | undefined): number {
  const positions = other?.positions ?? [];
  const gaps =
    live.positions.length === positions.length
      ? live.positions.map((position, lane) => position - (positions[lane] ?? 0))
      : [Math.max(...live.positions) - Math.min(...positions)];
  return Math.max(0, ...gaps);
}
