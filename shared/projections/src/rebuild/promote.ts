import type { Pool, Queryable } from '@memfleet/runtime';
import type { Projection } from '../kit/define.ts';
import { RebuildError } from './errors.ts';
import { behindBy, countLost, liveOf, type Place } from './places.ts';
import { swap, type Swap, type SwapOptions } from './swap.ts';

export interface PromoteOptions extends SwapOptions {
  /** The most events the next generation may be behind before the live one is held. */
  readonly maxLag: number;
  /** A verification older than this says too little about the current tables. */
  readonly maxAgeMs: number;
  /** Promotes the next generation without these checks, as long as it has its indexes. */
  readonly force: boolean;
}

/**
 * Makes the next generation live in one transaction. The live lanes are held until the next ones are
 * level, so that no reader sees less than a moment before.
 * @throws RebuildError when it may not be promoted, or readers or lanes block it for too long
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
 * Makes the previous generation live again. It checks nothing first: a rollback is for emergencies. The
 * generation that was live becomes the next one, and may be promoted again.
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
