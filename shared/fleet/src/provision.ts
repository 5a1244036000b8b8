import {
  configuredLanes,
  createGeneration,
  type Generation,
  givingWay,
  isLockWait,
  laneConsumerOf,
  lanesOf,
  limitLockWaits,
  pointViews,
  type Projection,
  PROJECTIONS,
  readGenerations,
  viewsDigest,
} from '@memfleet/projections';
import {
  type Change,
  compareTopology,
  type FleetConfig,
  type JetStreamManager,
  migrate,
  pendingMigrations,
  type Pool,
  provisionTopology,
  refuseDrift,
  RuntimeError,
  type Topology,
  transaction,
} from '@memfleet/runtime';
import { topologyOf } from './topology.ts';

/** What a fleet is provisioned on. */
export interface FleetTarget {
  readonly config: FleetConfig;
  readonly jsm: JetStreamManager;
  readonly pool: Pool;
  /** Default: all there are. */
  readonly projections?: readonly Projection[];
  /** How long readers of the views may hold up their replacement, in ms. */
  readonly limitMs?: number;
  /** Ends the wait for readers. */
  readonly signal?: AbortSignal;
  /** Told of a projection whose views somebody reads, each time it gives way. */
  readonly onWait?: (projection: string) => void;
}

const READERS_LIMIT_MS = 60_000;
const NEVER = new AbortController().signal;

/**
 * Everything a fleet needs before its workers start: database schema, projections, streams and
 * durables. Safe to run again and from several places at once; nothing is ever dropped.
 * @returns the changes made; those of action `refuse` were not, and need a rebuild
 * @throws RuntimeError DRIFT | MIGRATION_CHANGED | DATABASE_NEWER | VIEWS_BUSY
 */
export async function provisionFleet(target: FleetTarget): Promise<Change[]> {
  const { config, jsm, pool, projections = PROJECTIONS } = target;
  const lanes = configuredLanes(config);
  // Before a generation is made for a log that has other partitions.
  await refuseDrift(jsm, topologyOf(config));
  const migrations = (await migrate(pool)).map(({ name }) => created('database', name));
  const changed: Change[] = [];
  for (const projection of projections) {
    const change = await provisionProjection(target, projection, lanes);
    if (change !== undefined) changed.push(change);
  }
  const topology = fleetTopology(config, await readGenerations(pool));
  return [...migrations, ...changed, ...(await provisionTopology(jsm, topology))];
}

/** What `provisionFleet` would do; changes nothing. */
export async function compareFleet(target: FleetTarget): Promise<Change[]> {
  const { config, jsm, pool, projections = PROJECTIONS } = target;
  const lanes = configuredLanes(config);
  const pending = await pendingMigrations(pool);
  const isNew = pending.some(({ number }) => number === 1);
  const found = isNew ? [] : await readGenerations(pool);
  const changes = projections.map((projection) =>
    compareProjection(projection, generationsOf(found, projection), lanes),
  );
  const expected = projections
    .filter((projection) => generationsOf(found, projection).length === 0)
    .map((projection) => firstGeneration(projection, lanes));
  return [
    ...pending.map(({ name }) => created('database', name)),
    ...changes.filter((change) => change !== undefined),
    ...(await compareTopology(jsm, fleetTopology(config, [...found, ...expected]))),
  ];
}

/** Streams and durables of a fleet with these generations. */
function fleetTopology(config: FleetConfig, generations: readonly Generation[]): Topology {
  const laneConsumers = generations.flatMap(({ projection, generation, lanes }) =>
    lanesOf(projection, generation, lanes).map((id) => laneConsumerOf(config, id, lanes)),
  );
  return topologyOf(config, laneConsumers);
}

async function provisionProjection(
  { pool, limitMs = READERS_LIMIT_MS, signal = NEVER, onWait }: FleetTarget,
  projection: Projection,
  lanes: number,
): Promise<Change | undefined> {
  const options = {
    signal,
    limitMs,
    onRetry: () => onWait?.(projection.name),
    isWorthARetry: isLockWait,
    onTimeout: (reason: string) =>
      new RuntimeError(
        'VIEWS_BUSY',
        `the views of projection ${projection.name} could not be replaced within ${Math.round(limitMs / 1_000)} s: ${reason}`,
      ),
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
    // Two provisioners at once: the second finds what the first has made.
    await client.query('lock table memfleet.projection_generations in share row exclusive mode');
    const found = generationsOf(await readGenerations(client), projection);
    const change = compareProjection(projection, found, lanes);
    if (change?.action === 'create') {
      await createGeneration(client, projection, { generation: 1, lanes, state: 'live' });
      await pointViews(client, projection, 1);
    }
    const live = found.find(({ state }) => state === 'live');
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
function compareProjection(
  projection: Projection,
  found: readonly Generation[],
  lanes: number,
): Change | undefined {
  const { name, version } = projection;
  if (found.length === 0) return created('projection', name);
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

function generationsOf(found: readonly Generation[], { name }: Projection): Generation[] {
  return found.filter(({ projection }) => projection === name);
}

function firstGeneration({ name, version }: Projection, lanes: number): Generation {
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

function created(kind: Change['kind'], name: string): Change {
  return { kind, name, action: 'create', differences: [] };
}
