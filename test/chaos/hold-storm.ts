import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Envelope } from '@memfleet/events';
import { promoteNext, rollBack, verifyNext } from '@memfleet/projections';
import { createPool, messageOf, type Pool } from '@memfleet/runtime';
import { RebuildError } from '../../shared/projections/src/rebuild/errors.ts';
import { notes } from '../integration/projections/notes/projection.ts';
import type { BrokerClients } from '../support/broker.ts';
import { created, revised } from '../support/notes-fleet.ts';
import { Random } from '../support/random.ts';
import {
  filled,
  fleetOf,
  never,
  PROMOTE,
  rebuild,
  SWAP,
  VERIFY,
} from '../support/rebuild-fleet.ts';
import { appendAll, type TestFleet } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';

export interface HoldStorm {
  readonly events: number;
  readonly seed: number;
  /** SQL to run before the storm: a planted bug. */
  readonly planted?: string;
}

/** What happened in a storm: one in which nothing happened proves nothing. */
export interface HoldStormReport {
  readonly events: number;
  readonly holds: number;
  readonly verifications: number;
  readonly promotions: number;
  /** Memories whose content differs from the fold, in both generations. */
  readonly wrong: number;
}

const CHUNK = 2_000;
const FEW = 100;
const LIMIT_MS = 300_000;

/**
 * Sets and releases holds like `holdLanes` and `releaseLanes`, as fast as the server can: from inside the
 * server, since a client's round trips are too slow to meet a lane that asks why.
 */
const CYCLE_HOLDS = `
create table storm (holds int not null, is_over boolean not null);
insert into storm values (0, false);
create procedure cycle_holds() language plpgsql as $$
declare
  at bigint;
  is_held boolean;
begin
  loop
    select max(position), bool_or(coalesce(hold_until > clock_timestamp(), false)) into at, is_held
      from (select * from memfleet.checkpoints order by generation, lane for update) as locked;
    if not is_held then
      update memfleet.checkpoints set hold_id = '00000000-0000-0000-0000-00000000000c',
        hold_at = at, hold_until = clock_timestamp() + interval '10 s';
      update storm set holds = holds + 1;
    end if;
    commit;
    perform pg_sleep(random() * 0.004);
    perform from memfleet.checkpoints order by generation, lane for update;
    update memfleet.checkpoints set hold_id = null, hold_at = null, hold_until = null
      where hold_id = '00000000-0000-0000-0000-00000000000c';
    commit;
    -- Now and then long enough for a verification or a promotion to get between.
    perform pg_sleep(case when random() < 0.05 then 0.05 else 0 end);
    exit when (select is_over from storm);
  end loop;
end $$`;

/**
 * Runs eight lanes of two generations with a pool of four connections, while the log grows, holds come and
 * go, and the generations are verified, promoted and rolled back. Then compares the contents of both with a
 * fold of the log.
 */
export async function surviveHolds(
  broker: BrokerClients,
  { events, seed, planted }: HoldStorm,
): Promise<HoldStormReport> {
  await using fleet = await fleetOf(broker, notes, {
    'projections.lanes': '8',
    'projections.batch': '200',
    'database.poolSize': '4',
  });
  const { pool, config } = fleet;
  const random = new Random(seed);
  const expected = new Map<string, string>();
  const log = (count: number): Envelope[] =>
    Array.from({ length: count }, (_, index) => {
      const number = expected.size;
      // Mostly new memories, so that every skipped event shows.
      const isNew = number === 0 || random.below(10) > 0;
      const memory = `m-${isNew ? number : random.below(number)}`;
      const content = `${seed}-${number}-${index}`;
      expected.set(memory, content);
      return isNew ? created(memory, content) : revised(memory, content);
    });
  await appendAll(broker, config, log(100));
  fleet.start();
  await fleet.applied(100);
  await filled(broker, fleet, notes, await rebuild(broker, fleet, notes));
  await pool.query(planted ?? 'select 1');
  await pool.query(CYCLE_HOLDS);
  // One call for as long as the storm takes.
  const patient = { ...config.database, statementTimeout: 2 * LIMIT_MS };
  const cycler = createPool(fleet.url, patient, { name: 'hold-storm' });
  const cycling = cycler.query('call cycle_holds()');
  // Awaited at the end; until then a failure must not count as unhandled.
  cycling.catch(() => undefined);
  const stop = new AbortController();
  // With its own connections, like a command: sixteen lanes share the four of the worker.
  const commands = createPool(fleet.url, config.database, { name: 'commands' });
  const swaps = { verifications: 0, promotions: 0 };
  const storm = { last: 100, hasFailed: false };
  const swapping = swapGenerations(commands, swaps, stop.signal);
  // Fails at once, and not in an hour at the end of the run.
  swapping.catch((error: unknown) => {
    storm.hasFailed = true;
    process.stderr.write(`hold storm: ${messageOf(error)}\n`);
  });
  const grow = async (count: number): Promise<void> => {
    await appendAll(broker, config, log(count));
    storm.last += count;
  };
  try {
    while (storm.last < events) await grow(Math.min(CHUNK, events - storm.last));
    await fleet.applied(storm.last, LIMIT_MS);
    // On a machine that is busy otherwise the lanes are far apart until the log grows more slowly. With a
    // planted bug the generations differ, and none is promoted.
    const isTooEarly = (): boolean =>
      planted === undefined && swaps.promotions === 0 && !storm.hasFailed;
    while (isTooEarly()) {
      await grow(FEW);
      await fleet.applied(storm.last, LIMIT_MS);
    }
  } finally {
    stop.abort();
    await pool.query('update storm set is_over = true');
    await Promise.allSettled([cycling, swapping]);
    await Promise.all([cycler.end(), commands.end()]);
  }
  await cycling;
  await swapping;
  await until(
    'both generations are at the end',
    async () => {
      const { rows } = await pool.query(
        'select from memfleet.checkpoints where position < $1 limit 1',
        [storm.last],
      );
      return rows.length === 0;
    },
    LIMIT_MS,
  );
  const { rows } = await pool.query<{ holds: number }>('select holds from storm');
  let wrong = 0;
  for (const generation of [1, 2]) wrong += await differing(fleet, generation, expected);
  const report = { events: storm.last, holds: rows[0]?.holds ?? 0, ...swaps, wrong };
  process.stderr.write(`hold storm: ${JSON.stringify({ seed, ...report })}\n`);
  return report;
}

/** Verifies, promotes and rolls back as long as it may; other holds refuse it now and then. */
async function swapGenerations(
  pool: Pool,
  done: { verifications: number; promotions: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await verifyNext(pool, 'notes', { ...VERIFY, maxLag: Number.MAX_SAFE_INTEGER });
      done.verifications += 1;
      await promoteNext(pool, notes, {
        ...PROMOTE,
        maxLag: Number.MAX_SAFE_INTEGER,
        limitMs: 2_000,
      });
      await rollBack(pool, notes, { ...SWAP, limitMs: 20_000 });
      done.promotions += 1;
    } catch (error) {
      if (!(error instanceof RebuildError)) throw error;
      await delay(5, undefined, { signal: never });
    }
  }
}

async function differing(
  { pool }: TestFleet,
  generation: number,
  expected: ReadonlyMap<string, string>,
): Promise<number> {
  const { rows } = await pool.query<{ memory: string; content: string }>(
    `select memory, content from notes_${generation}.notes`,
  );
  const shown = new Map(rows.map(({ memory, content }) => [memory, content]));
  const wrong = [...expected].filter(([memory, content]) => shown.get(memory) !== content).length;
  // The hash covers everything shown, including rows that should not be there.
  assert.equal(hashOf(shown) === hashOf(expected), wrong === 0);
  return wrong;
}

function hashOf(contents: ReadonlyMap<string, string>): string {
  const lines = [...contents].map(([memory, content]) => `${memory} ${content}\n`).toSorted();
  return createHash('sha256').update(lines.join('')).digest('hex');
}
