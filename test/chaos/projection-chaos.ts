import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Envelope } from '@memfleet/events';
import { hashTables, PROJECTIONS } from '@memfleet/projections';
import { expectSameTables, foldedLog, shownTables } from '../integration/projections/tables.ts';
import { readLog, type StoredEvent } from '../support/log-stream.ts';
import { Random } from '../support/random.ts';
import { createTestFleet } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';
import { createProjectionFleet, type ProjectionFleet, type Projector } from './projection-fleet.ts';
import {
  closeGate,
  flawsOf,
  type History,
  readHistory,
  recordHistory,
  takeovers,
  transactionsOf,
} from './projection-history.ts';
import { GrowingLog } from './projection-log.ts';

export interface ChaosPlan {
  /** Kills and pauses. */
  readonly disturbances: number;
  readonly events: number;
  /** One, or as many as the log has partitions. */
  readonly lanes: number;
  readonly seed: number;
}

interface Tally {
  kills: number;
  /** Shorter than the lease. */
  pauses: number;
  /** Until everything that the paused process held had another owner. */
  zombies: number;
}

/** What happened in a run: one in which nothing happened proves nothing. */
export interface ChaosReport extends Tally {
  readonly events: number;
  readonly copies: number;
  readonly takeovers: number;
  readonly transactions: number;
  readonly rejectedZombies: number;
  readonly replays: number;
  readonly seconds: number;
}

const LEASE_MS = 1_000;
/** Of ten disturbances; their order is random. */
const DECK: readonly string[] = [
  ...Array.from({ length: 6 }, () => 'kill'),
  'pause',
  'pause',
  'zombie',
  'late zombie',
];
/** Small, so that there are many transactions to be killed in. */
const BATCH = 40;
/** After this long without any progress something hangs. A process that is stopped in a transaction is
 * cut off by the database after ten seconds. */
const LIMIT_MS = 60_000;

/**
 * Two projection workers compete for the lanes, and are killed and paused at random while the log grows;
 * afterwards all invariants are checked.
 * @returns what the run saw @throws AssertionError
 */
export async function surviveChaos(plan: ChaosPlan): Promise<ChaosReport> {
  const startedAt = performance.now();
  await using fleet = await createProjectionFleet({
    'projections.lease': `${LEASE_MS}ms`,
    'projections.batch': String(BATCH),
    'projections.lanes': String(plan.lanes),
    ...(plan.lanes === 1 ? {} : { 'log.partitions': String(plan.lanes) }),
  });
  await recordHistory(fleet.pool);
  const random = new Random(plan.seed);
  const log = new GrowingLog(fleet, new Random(plan.seed + 1));
  const tally = await disturb(fleet, log, random, plan);
  const last = await log.close();
  await fleet.applied(last, 5 * LIMIT_MS);
  const [survivors, dead] = await endAll(fleet);
  const history = await readHistory(fleet.pool);
  const saw = {
    ...tally,
    seed: plan.seed,
    lanes: history.lanes.length,
    processes: survivors + dead,
    events: last,
    copies: log.copies,
    takeovers: history.lanes.reduce((sum, lane) => sum + takeovers(lane), 0),
    transactions: history.lanes.reduce((sum, { moves }) => sum + moves.length, 0),
    rejectedZombies: history.refusals,
    replays: replays(history),
    seconds: Math.round((performance.now() - startedAt) / 1_000),
  };
  process.stderr.write(`projection chaos: ${JSON.stringify(saw)}\n`);

  assert.deepEqual(flawsIn(fleet, history), []);
  const stored = await readLog(fleet.broker.connection, fleet.config.log);
  assert.equal(stored.length, last);
  assert.deepEqual(await strays(fleet, history, stored), []);
  const events = stored.map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString()) as Envelope);
  const folded = foldedLog(events);
  expectSameTables(await shownTables(fleet.pool, Object.keys(folded)), folded);
  assert.deepEqual(await hashesOf(fleet.pool), await undisturbed(fleet, last));

  assert.ok(tally.kills + tally.pauses + tally.zombies >= plan.disturbances);
  assert.ok(last >= plan.events);
  assert.ok(tally.kills > 0);
  assert.ok(tally.zombies > 0);
  assert.ok(saw.copies > 0);
  assert.ok(saw.takeovers > tally.zombies);
  assert.ok(saw.rejectedZombies > 0);
  assert.ok(saw.replays > 0);
  return saw;
}

/** Kills and pauses one after the other, with some progress between most of them. */
async function disturb(
  fleet: ProjectionFleet,
  log: GrowingLog,
  random: Random,
  { disturbances, events }: ChaosPlan,
): Promise<Tally> {
  const tally: Tally = { kills: 0, pauses: 0, zombies: 0 };
  const done = (): number => tally.kills + tally.pauses + tally.zombies;
  const workers = [fleet.start(), fleet.start()];
  await Promise.all(workers.map(({ process: worker }) => worker.ready()));
  const of = (index: number): Projector => {
    const worker = workers[index];
    if (worker === undefined) throw new Error('there are two workers');
    return worker;
  };
  const kill = async (index: number): Promise<void> => {
    of(index).process.kill('SIGKILL');
    await of(index).process.endsWith('SIGKILL');
    workers[index] = fleet.start();
    tally.kills += 1;
  };
  let deck: string[] = [];
  while (done() < disturbances || deck.length > 0) {
    log.allow(Math.ceil((events * (done() + 1)) / disturbances));
    if (random.below(4) > 0) await progress(fleet, random.below(8 * BATCH));
    if (deck.length === 0) {
      deck = [...DECK];
      process.stderr.write(`projection chaos: ${done()} of ${disturbances} disturbances\n`);
    }
    const [what] = deck.splice(random.below(deck.length), 1);
    const index = random.below(2);
    switch (what) {
      case 'kill':
        await kill(index);
        break;
      case 'pause': {
        const victim = of(index);
        victim.process.kill('SIGSTOP');
        // This is the pause itself; it waits for nothing.
        await delay(random.below(LEASE_MS / 2));
        victim.process.kill('SIGCONT');
        tally.pauses += 1;
        break;
      }
      case 'zombie': {
        const victim = of(index);
        victim.process.kill('SIGSTOP');
        await until('others have its lanes', () => holdsNothing(fleet, victim), LIMIT_MS);
        // Now and then the successor is killed as well, and the zombie may be the next successor.
        if (random.below(3) === 0) await kill(1 - index);
        victim.process.kill('SIGCONT');
        tally.zombies += 1;
        break;
      }
      default: {
        // Stopped with a batch on its way to the database, which arrives when the lane has another owner.
        const victim = await until('somebody has a lane', async () => {
          const isFree = await holdsNothing(fleet, of(index));
          if (!isFree) return of(index);
          return (await holdsNothing(fleet, of(1 - index))) ? undefined : of(1 - index);
        });
        await using gate = await closeGate(fleet.pool, victim);
        log.allow(Math.ceil((events * (done() + 2)) / disturbances));
        await gate.isReached(() => holdsNothing(fleet, victim));
        victim.process.kill('SIGSTOP');
        await until('others have its lanes', () => holdsNothing(fleet, victim), LIMIT_MS);
        await until('and write to them', () => isTaken(fleet), LIMIT_MS);
        victim.process.kill('SIGCONT');
        tally.zombies += 1;
      }
    }
  }
  return tally;
}

/** Waits until this many more positions are applied, or there is nothing more to apply. */
async function progress({ pool, config, broker }: ProjectionFleet, more: number): Promise<void> {
  const stand = async (): Promise<{ sum: number; lowest: number }> => {
    const { rows } = await pool.query<{ sum: number; lowest: number }>(
      `select sum(position)::float8 as sum, min(position)::float8 as lowest
        from memfleet.checkpoints`,
    );
    return rows[0] ?? { sum: 0, lowest: 0 };
  };
  const before = await stand();
  const { state } = await broker.jsm.streams.info(config.log.stream);
  await until(
    `${more} positions more are applied`,
    async () => {
      const { sum, lowest } = await stand();
      return sum >= before.sum + more || lowest >= state.last_seq;
    },
    LIMIT_MS,
  );
}

async function holdsNothing({ pool }: ProjectionFleet, { pid }: Projector): Promise<boolean> {
  const { rows } = await pool.query(
    `select from memfleet.leases where owner like $1 and lease_until > '-infinity'`,
    [`%-${pid}-%`],
  );
  return rows.length === 0;
}

/** The owner of a lease has stamped its lane with it. */
async function isTaken({ pool }: ProjectionFleet): Promise<boolean> {
  const { rows } = await pool.query(
    `select from memfleet.checkpoints join memfleet.leases
        on name = concat_ws('/', 'projection', projection, generation::text, lane::text)
      where lease_until > now() and leases.epoch <> checkpoints.epoch`,
  );
  return rows.length === 0;
}

/** The last two stop as they should; all others were killed. @returns how many of each */
async function endAll({ started }: ProjectionFleet): Promise<[number, number]> {
  const running = started.filter(({ process: worker }) => worker.isRunning);
  // A process that is just starting does not listen for it yet.
  await Promise.all(running.map(({ process: worker }) => worker.ready()));
  for (const { process: worker } of running) worker.kill('SIGTERM');
  for (const { process: worker } of running) await worker.endsWith(0);
  return [running.length, started.length - running.length];
}

function flawsIn({ started }: ProjectionFleet, { lanes }: History): string[] {
  const pids = new Map(started.map(({ name, pid }) => [name, pid]));
  return lanes.flatMap((lane) => flawsOf(lane, pids));
}

/** Transactions that began but neither committed nor were refused: others repeated their work. */
function replays({ lanes, attempts, refusals }: History): number {
  const committed = lanes.reduce((sum, { moves }) => sum + moves.length, 0);
  return attempts - committed - refusals;
}

/** Rows with a position that are not written by the transaction which moved the lane over it. */
async function strays(
  { pool }: ProjectionFleet,
  { lanes }: History,
  stored: readonly StoredEvent[],
): Promise<string[]> {
  const found: string[] = [];
  for (const [projection, table] of [
    ['lineage', 'lineage'],
    ['memories', 'accesses'],
  ]) {
    const own = lanes.filter(({ id }) => id.projection === projection);
    const byLane = new Map(own.map((lane) => [lane.id.lane, transactionsOf(lane)]));
    const { rows } = await pool.query<{ sequence: string; writer: string }>(
      `select sequence, xmin::text as writer from ${projection}_1.${table} order by sequence`,
    );
    assert.ok(rows.length > 0);
    for (const { sequence, writer } of rows) {
      // <root>.<partition>.<tenant>.…
      const partition = Number(stored[Number(sequence) - 1]?.subject.split('.')[1]);
      const moved = byLane.get(own.length === 1 ? 0 : partition)?.(Number(sequence));
      if (moved !== writer) found.push(`${table} ${sequence}: ${writer} and not ${moved}`);
    }
  }
  return found;
}

async function hashesOf(pool: ProjectionFleet['pool']): Promise<unknown> {
  return await Promise.all(PROJECTIONS.map((projection) => hashTables(pool, projection, 1)));
}

/** The tables of one undisturbed worker on the same log, including guards and dedupe tables. */
async function undisturbed({ broker, config }: ProjectionFleet, last: number): Promise<unknown> {
  const calm = { ...config, projections: { ...config.projections, batch: 1_000 } };
  await using fleet = await createTestFleet(broker, calm, PROJECTIONS);
  fleet.start();
  await fleet.applied(last, 5 * LIMIT_MS);
  return await hashesOf(fleet.pool);
}
