import type { ModelUse } from '@memfleet/events';
import { EVERY_TENANT, readSpend } from '@memfleet/models';
import { createPool } from '@memfleet/runtime';
import { retry } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { nothingExtracted } from '../../support/events.ts';
import { coded, failingPool } from '../../support/failing-pool.ts';
import { createStageBench } from '../../support/stage.ts';
import { IDENTITY, notes, storesNothing, storing } from '../../support/storing-stage.ts';

/*
 * What happens to events that are to be tried again while somebody has locked a row that their release needs.
 */

const USE: ModelUse = {
  usage: { calls: 1, input_tokens: 10, output_tokens: 1 },
  cost_usd: 1,
  duration_ms: 1,
  cached: false,
};
/** Tenants of the events, and those whose costs are noted. */
const TENANTS = ['tenant-0', 'tenant-1', 'tenant-2'];

test.concurrent.each([
  ['one tenant', 'tenant-1', { 'tenant-0': 1, 'tenant-1': 0, 'tenant-2': 1, [EVERY_TENANT]: 2 }],
  ['all tenants', EVERY_TENANT, { 'tenant-0': 0, 'tenant-1': 0, 'tenant-2': 0, [EVERY_TENANT]: 0 }],
])('a lock on the spending of %s holds no release', async (_, locked, spending) => {
  await using bench = await createStageBench({ 'stages.extraction.linger': '50ms' });
  const { url, pool } = bench.database;
  // The hour may change meanwhile.
  await pool.query(
    `insert into memfleet.spend (stage, tenant, hour)
     select $1, tenant, date_trunc('hour', now(), 'UTC') + n * interval '1 hour'
     from unnest($2::text[]) as tenants (tenant), generate_series(0, 1) as n`,
    [IDENTITY.name, [...TENANTS, EVERY_TENANT]],
  );
  const settings = { ...bench.config.database, statementTimeout: 500 };
  const hurried = createPool(url, settings, { name: 'test' });
  const holder = await pool.connect();
  try {
    await holder.query('begin');
    // By another person, who is not cut off.
    await holder.query('set local idle_in_transaction_session_timeout = 0');
    await holder.query('select from memfleet.spend where tenant = $1 for update', [locked]);
    await bench.publish(...notes(TENANTS.length));
    const stage = storing(storesNothing, async (event, { attempt, sequence }) =>
      attempt === 1
        ? { ...retry(0, 'not yet'), use: USE }
        : { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] },
    );
    const running = bench.start(stage, { pool: hurried, renewals: pool });
    await bench.settled();
    await running.stop();
    expect(stage.calls).toHaveLength(2 * TENANTS.length);
  } finally {
    await holder.query('rollback');
    holder.release();
    await hurried.end();
  }
  expect(await bench.work()).toMatchObject(
    TENANTS.map(() => ({ state: 'done', attempts: 1, abandoned: 0, published: true })),
  );
  const { rows } = await pool.query<{ tenant: string; usd: number }>(
    'select tenant, sum(cost_usd) as usd from memfleet.spend group by tenant',
  );
  expect(Object.fromEntries(rows.map(({ tenant, usd }) => [tenant, usd]))).toEqual(spending);
});

test.each(['53100', '53200', '58030'])(
  'a fault of the whole database (%s) is waited out: no try and no claim is lost',
  async (code) => {
    await using bench = await createStageBench();
    await bench.publish(...notes(TENANTS.length));
    const front = failingPool(bench.database.pool);
    // More often than a batch may be cut off.
    front.fail = (name) =>
      name === 'stage-release' && front.failed.length < 5 ? coded(code) : undefined;
    const stage = storing(storesNothing, async (event, { attempt, sequence }) =>
      attempt === 1
        ? { ...retry(0, 'not yet'), use: USE }
        : { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] },
    );
    bench.start(stage, { pool: front.pool });
    await bench.settled();
    expect(front.failed).toHaveLength(5);
    expect(await bench.work()).toMatchObject(
      TENANTS.map(() => ({ state: 'done', attempts: 1, abandoned: 0, published: true })),
    );
    const spent = await readSpend(bench.database.pool, IDENTITY.name, [EVERY_TENANT]);
    expect(spent.get(EVERY_TENANT)).toMatchObject({ hourUsd: TENANTS.length });
  },
);
