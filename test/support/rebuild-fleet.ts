import {
  buildIndexes,
  laneStatus,
  type Projection,
  readGenerations,
  startRebuild,
} from '@memfleet/projections';
import type { BrokerClients } from './broker.ts';
import { testSettings } from './settings.ts';
import { createTestFleet, type TestFleet } from './test-fleet.ts';
import { until } from './until.ts';

export const never = new AbortController().signal;

export const SWAP = { signal: never, limitMs: 20_000, onRetry: () => undefined };

export const PROMOTE = { ...SWAP, maxLag: 1_000, maxAgeMs: 3_600_000, force: false };

export const VERIFY = { signal: never, maxLag: 10_000 };

export async function fleetOf(
  broker: BrokerClients,
  projection: Projection,
  flags: Readonly<Record<string, string>> = {},
): Promise<TestFleet> {
  const config = testSettings({ 'projections.lease': '1s', 'workers.report': '50ms', ...flags });
  return await createTestFleet(broker, config, [projection]);
}

export async function rebuild(
  broker: BrokerClients,
  { config, pool }: TestFleet,
  projection: Projection,
): Promise<number> {
  const { generation } = await startRebuild({ config, jsm: broker.jsm, pool }, projection);
  return generation;
}

/** Waits until a generation is near the end of the log, and builds its indexes. */
export async function filled(
  broker: BrokerClients,
  { config, pool }: TestFleet,
  projection: Projection,
  generation: number,
): Promise<void> {
  const { state } = await broker.jsm.streams.info(config.log.stream);
  await until(`generation ${generation} is filled`, async () => {
    const lanes = (await laneStatus(pool)).filter((lane) => lane.generation === generation);
    return lanes.length > 0 && lanes.every(({ position }) => position >= state.last_seq);
  });
  await buildIndexes(pool, projection.name, generation, {
    signal: never,
    onIndex: () => undefined,
  });
}

export async function states({ pool }: TestFleet): Promise<Record<number, string>> {
  const found = await readGenerations(pool);
  return Object.fromEntries(found.map(({ generation, state }) => [generation, state]));
}
