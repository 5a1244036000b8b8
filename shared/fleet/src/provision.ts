import {
  compareProjection,
  configuredLanes,
  firstGeneration,
  type Projection,
  PROJECTIONS,
  type ProjectionTarget,
  provisionProjection,
  readGenerations,
} from '@memfleet/projections';
import {
  type Change,
  compareTopology,
  type FleetConfig,
  type JetStreamManager,
  migrate,
  pendingMigrations,
  provisionTopology,
  refuseDrift,
} from '@memfleet/runtime';
import { topologyOf } from './topology.ts';

/** The servers and settings for provisioning a fleet. */
export interface FleetTarget extends ProjectionTarget {
  readonly config: FleetConfig;
  readonly jsm: JetStreamManager;
  /** Default: all projections. */
  readonly projections?: readonly Projection[];
}

/**
 * Provisions everything a fleet needs before its workers start: database schema, projections, streams and
 * durables. Safe to repeat, and to run from several places at once; it never drops anything.
 * @returns the changes; those with action `refuse` were not made, and need a rebuild
 * @throws RuntimeError DRIFT | MIGRATION_CHANGED | DATABASE_NEWER | VIEWS_BUSY
 */
export async function provisionFleet(target: FleetTarget): Promise<Change[]> {
  const { config, jsm, pool, projections = PROJECTIONS } = target;
  const lanes = configuredLanes(config);
  // Checked before a generation is made for a log with other partitions.
  await refuseDrift(jsm, topologyOf(config));
  const migrations = (await migrate(pool)).map(({ name }) => created('database', name));
  const changed: Change[] = [];
  for (const projection of projections) {
    const change = await provisionProjection(target, projection, lanes);
    if (change !== undefined) changed.push(change);
  }
  const topology = topologyOf(config, await readGenerations(pool));
  return [...migrations, ...changed, ...(await provisionTopology(jsm, topology))];
}

/** What `provisionFleet` would do; changes nothing. */
export async function compareFleet(target: FleetTarget): Promise<Change[]> {
  const { config, jsm, pool, projections = PROJECTIONS } = target;
  const lanes = configuredLanes(config);
  const pending = await pendingMigrations(pool);
  const isNew = pending.some(({ number }) => number === 1);
  const found = isNew ? [] : await readGenerations(pool);
  const changes = projections.map((projection) => compareProjection(projection, found, lanes));
  const expected = projections
    .filter(({ name }) => !found.some(({ projection }) => projection === name))
    .map((projection) => firstGeneration(projection, lanes));
  return [
    ...pending.map(({ name }) => created('database', name)),
    ...changes.filter((change) => change !== undefined),
    ...(await compareTopology(jsm, topologyOf(config, [...found, ...expected]))),
  ];
}

function created(kind: Change['kind'], name: string): Change {
  return { kind, name, action: 'create', differences: [] };
}
