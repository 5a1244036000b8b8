import type { Queryable } from '@memfleet/runtime';
import { type Generation, readGenerations } from '../generations.ts';
import { RebuildError } from './errors.ts';

/** @throws RebuildError when there is nothing beside the live generation */
export async function liveAndNext(
  db: Queryable,
  projection: string,
): Promise<{ readonly live: Generation; readonly next: Generation }> {
  const found = (await readGenerations(db)).filter((each) => each.projection === projection);
  const live = found.find(({ state }) => state === 'live');
  const next = found.find(({ state }) => state === 'next');
  if (live === undefined) {
    throw new RebuildError(
      `projection ${projection} is not provisioned`,
      'Run `memfleet provision`.',
    );
  }
  if (next === undefined) {
    throw new RebuildError(
      `projection ${projection} has no next generation`,
      `Run \`memfleet projection rebuild ${projection}\` first.`,
    );
  }
  return { live, next };
}
