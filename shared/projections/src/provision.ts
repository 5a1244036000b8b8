import { type Change, type Pool, RuntimeError, transaction } from '@memfleet/runtime';
import { createGeneration, type Generation, readGenerations, viewsDigest } from './generations.ts';
import type { Projection } from './kit/define.ts';
import { givingWay, isLockWait, limitLockWaits } from './rebuild/give-way.ts';
import { pointViews } from './rebuild/views.ts';

export interface ProjectionTarget {
  readonly pool: Pool;
  /** How long readers of the views may delay their replacement, in ms. */
  readonly limitMs?: number;
  /** Ends the wait for readers. */
  readonly signal?: AbortSignal;
  /** Called each time the replacement gives way to readers of a projection's views. */
  readonly onWait?: (projection: string) => void;
}

const READERS_LIMIT_MS = 60_000;
const NEVER = new AbortController().signal;

/**
 * Makes the first generation of a projection, or replaces the views of the live one, whichever is needed.
 * @returns the changes; one with action `refuse` was not made, and needs a rebuild
 * @throws RuntimeError VIEWS_BUSY
 */
export async function provisionProjection(
  { pool, limitMs = READERS_LIMIT_MS, signal = NEVER, onWait }: ProjectionTarget,
  projection: Projection,
  lanes: number,
): Promise<Change | undefined> {
  const options = {
    signal,
    limitMs,
    onRetry: () => onWait?.(projection.name),
    isWorthARetry: isLockWait,
    onTimeout: (reason: string) => {
      throw new RuntimeError(
        'VIEWS_BUSY',
        `the views of projection ${projection.name} could not be replaced within ${Math.round(limitMs / 1_000)} s: ${reason}`,
      );
    },
  };
  return await givingWay(options, () => provisionOnce(pool, projection, lanes));
}

async function provisionOnce(
  pool: Pool,
  projection: Projection,
  lanes: number,
): Promise<Change | undefined> {
  return await transaction(pool, async (client) => {
    await limitLockWaits(client);
    // When two provision at once, the second finds the work of the first.
    await client.query('lock table memfleet.projection_generations in share row exclusive mode');
    const found = await readGenerations(client);
    const change = compareProjection(projection, found, lanes);
    if (change?.action === 'create') {
      await createGeneration(client, projection, { generation: 1, lanes, state: 'live' });
      await pointViews(client, projection, 1);
    }
    const live = found.find((each) => each.projection === projection.name && each.state === 'live');
    if (change?.action === 'update' && live !== undefined) {
      await pointViews(client, projection, live.generation);
    }
    return change;
  });
}

/**
 * Tables made by another version, or read in other lanes, cannot be altered in place: they are
 * reported, and a rebuild makes new ones beside them.
 */
export function compareProjection(
  projection: Projection,
  generations: readonly Generation[],
  lanes: number,
): Change | undefined {
  const { name, version } = projection;
  const found = generations.filter((generation) => generation.projection === name);
  if (found.length === 0) return { kind: 'projection', name, action: 'create', differences: [] };
  const live = found.find(({ state }) => state === 'live');
  if (live === undefined) return undefined;
  const differences = [
    ...(live.version === version ? [] : [`version: ${live.version} → ${version}, by a rebuild`]),
    ...(live.lanes === lanes ? [] : [`lanes: ${live.lanes} → ${lanes}, by a rebuild`]),
  ];
  if (differences.length > 0) return { kind: 'projection', name, action: 'refuse', differences };
  if (live.viewsDigest === viewsDigest(projection.viewsSql)) return undefined;
  return { kind: 'projection', name, action: 'update', differences: ['views: other text'] };
}

/** As `provisionProjection` makes it. */
export function firstGeneration({ name, version }: Projection, lanes: number): Generation {
  return {
    projection: name,
    generation: 1,
    version,
    lanes,
    state: 'live',
    viewsDigest: null,
    isFilling: false,
  };
}
