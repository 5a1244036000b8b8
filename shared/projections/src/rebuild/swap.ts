import { setTimeout as delay } from 'node:timers/promises';
import { type Client, type Pool, type Queryable, transaction } from '@memfleet/runtime';
import type { Projection } from '../kit/define.ts';
import { LanesHeld, RebuildError } from './errors.ts';
import { givingWay, limitLockWaits } from './give-way.ts';
import { holdLanes, releaseLanes } from './hold.ts';
import { countLost, type Place, readPlaces } from './places.ts';
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

export interface PromoteOptions extends SwapOptions {
  /** The most events the next generation may be behind before the live one is held. */
  readonly maxLag: number;
  /** A verification older than this says too little about the tables of today. */
  readonly maxAgeMs: number;
  /** Promote whatever the next generation lacks, as long as it has its indexes. */
  readonly force: boolean;
}

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
  options: PromoteOptions,
): Promise<Swap> {
  return await swap(pool, projection, options, async (db, places) => {
    const next = places.find(({ state }) => state === 'next');
    if (next === undefined) {
      throw new RebuildError(
        `projection ${projection.name} has no next generation`,
        `Run \`memfleet projection rebuild ${projection.name}\` first.`,
      );
    }
    checkFilled(projection.name, next);
    if (!options.force) await checkReady(db, projection.name, places, next, options);
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
  return await swap(pool, projection, options, async (_db, places) => {
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

async function checkReady(
  db: Queryable,
  name: string,
  places: readonly Place[],
  next: Place,
  { maxLag, maxAgeMs }: PromoteOptions,
): Promise<void> {
  const live = liveOf(name, places);
  if (next.verifiedAgainst === null || next.verifiedAgainst !== live.generation) {
    throw new RebuildError(
      `generation ${next.generation} of ${name} has not been verified against the live one`,
      `Run \`memfleet projection verify ${name}\` first; --force promotes it all the same.`,
    );
  }
  if ((next.verifiedAgoMs ?? 0) > maxAgeMs) {
    const minutes = Math.round((next.verifiedAgoMs ?? 0) / 60_000);
    throw new RebuildError(
      `generation ${next.generation} of ${name} was verified ${minutes} minutes ago, longer than --max-age allows`,
      `Run \`memfleet projection verify ${name}\` again; --force promotes it all the same.`,
    );
  }
  const lost = await countLost(db, name, live.generation, next.generation);
  if (lost > 0) {
    throw new RebuildError(
      `generation ${next.generation} of ${name} parks ${lost === 1 ? '1 memory' : `${lost} memories`} that the live one shows: readers would go back`,
      `See \`memfleet projection list --parked\`, fix the cause, then \`memfleet projection redrive ${name}\`; --force promotes it all the same.`,
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

/** Looks before anything is held, and once more in the transaction that swaps. */
type Choose = (db: Queryable, places: readonly Place[]) => Promise<Choice>;

async function swap(
  pool: Pool,
  projection: Projection,
  { signal, limitMs, onRetry }: SwapOptions,
  choose: Choose,
): Promise<Swap> {
  const options = {
    signal,
    limitMs,
    onRetry,
    isWorthARetry: (error: unknown) => error instanceof NotLevel || error instanceof LanesHeld,
    onTimeout: (reason: string) =>
      new RebuildError(
        `could not swap within ${Math.round(limitMs / 1_000)} s: ${reason}`,
        'Nothing was changed. Look for long queries on the views, or for a lane that stands still.',
      ),
  };
  return await givingWay(options, async (attempts) => ({
    ...(await swapLevel(pool, projection, choose)),
    attempts,
  }));
}

type Swapped = Omit<Swap, 'attempts'>;

/** Holds the live lanes, waits for the others, swaps, and lets go. */
async function swapLevel(pool: Pool, projection: Projection, choose: Choose): Promise<Swapped> {
  const { name } = projection;
  const places = await readPlaces(pool, name);
  const { target, mustBeLevel } = await choose(pool, places);
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
  choose: Choose,
): Promise<Omit<Swapped, 'blockedMs'>> {
  const { name } = projection;
  await limitLockWaits(client);
  // Two swaps at once: the second sees what the first has made.
  await client.query(
    'select from memfleet.projection_generations where projection = $1 order by generation for update',
    [name],
  );
  // No lane moves from here to the commit, even when the hold has run out.
  await client.query(
    `select from memfleet.checkpoints where projection = $1 order by generation, lane for update`,
    [name],
  );
  const places = await readPlaces(client, name);
  const { target, demotedTo, mustBeLevel } = await choose(client, places);
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
