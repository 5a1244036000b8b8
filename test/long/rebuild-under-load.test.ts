import { setTimeout as delay } from 'node:timers/promises';
import {
  hashTables,
  laneStatus,
  promoteNext,
  retireGeneration,
  rollBack,
  verifyNext,
  waitFor,
} from '@memfleet/projections';
import { expect, test } from 'vitest';
import { memories } from '../../shared/projections/src/projections/memories/projection.ts';
import { brokerOfFile } from '../support/broker.ts';
import { revised } from '../support/notes-fleet.ts';
import {
  filled,
  fleetOf,
  never,
  PROMOTE,
  rebuild,
  states,
  SWAP,
  VERIFY,
} from '../support/rebuild-fleet.ts';
import { appendAll, type TestFleet } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';

/** As in rebuild/swap.ts: when the hold of a swap runs out by itself. */
const HOLD_MS = 5_000;

const broker = brokerOfFile();

async function indexesOf({ pool }: TestFleet, schema: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select indexname as name from pg_indexes where schemaname = $1 order by 1`,
    [schema],
  );
  return rows.map(({ name }) => name);
}

/** Appends revisions of a few memories without a pause; each contains its number. */
function startWriting(fleet: TestFleet, memory = 'busy') {
  const stop = new AbortController();
  let count = 0;
  let lastSequence = 0;
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const event = revised(`${memory}-${count % 7}`, String(count));
      const subject = `${fleet.config.log.root}.t.${event.subject}.content.revised`;
      const { seq } = await broker.jetstream.publish(subject, JSON.stringify(event));
      lastSequence = seq;
      count += 1;
    }
  };
  const ended = run();
  return {
    get count() {
      return count;
    },
    async stop(): Promise<number> {
      stop.abort();
      await ended;
      return lastSequence;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled([ended]);
    },
  };
}

/**
 * Reads like applications, with prepared statements and joins, until it is stopped. Numbers only rise: a
 * smaller number than before means that the reader saw tables that lag behind.
 */
function startReading(fleet: TestFleet) {
  const stop = new AbortController();
  let reads = 0;
  const failures: string[] = [];
  const run = async (reader: number): Promise<void> => {
    const client = await fleet.pool.connect();
    let last = -1;
    while (!stop.signal.aborted) {
      try {
        const { rows } = await client.query<{ newest: number | null }>({
          name: 'read',
          text:
            reader % 2 === 0
              ? `select max(content::int) as newest from memory.memories`
              : `select max(content::int) as newest from memory.embeddings
                  right join memory.memories using (tenant, memory)
                  left join memory.accesses using (tenant, memory)`,
        });
        const newest = rows[0]?.newest ?? -1;
        if (newest < last) failures.push(`${newest} after ${last}`);
        last = newest;
        reads += 1;
      } catch (error) {
        failures.push(String(error));
      }
      await delay(1);
    }
    client.release();
  };
  const ended = Promise.all([0, 1, 2].map(run));
  return {
    get reads() {
      return reads;
    },
    async stop(): Promise<string[]> {
      stop.abort();
      await ended;
      return failures;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled([ended]);
    },
  };
}

test.each([
  ['in one lane', '1', '1'],
  ['from one lane to one per partition', '1', '8'],
])(
  'under writes and reads: rebuild, verify, promote, roll back, promote again, %s',
  async (_, before, after) => {
    await using fleet = await fleetOf(broker, memories, { 'projections.lanes': before });
    const { pool, config } = fleet;
    await appendAll(
      broker,
      config,
      Array.from({ length: 300 }, (__, n) => revised(`m-${n}`, '0')),
    );
    fleet.start();
    await fleet.applied(300);
    await using writing = startWriting(fleet);
    await using reading = startReading(fleet);
    const target = {
      ...fleet,
      config: { ...config, projections: { ...config.projections, lanes: Number(after) } },
    };
    expect(await rebuild(broker, target, memories)).toBe(2);
    // The indexes that only readers need are built when the generation is filled.
    expect(await indexesOf(fleet, 'memories_2')).not.toContain('memories_keys');
    await expect(promoteNext(pool, memories, { ...PROMOTE, force: true })).rejects.toThrow(
      /still being filled/,
    );
    await filled(broker, fleet, memories, 2);
    expect(await indexesOf(fleet, 'memories_2')).toEqual(await indexesOf(fleet, 'memories_1'));
    await expect(promoteNext(pool, memories, PROMOTE)).rejects.toThrow(/has not been verified/);

    const verified = await verifyNext(pool, 'memories', VERIFY);
    expect(verified).toMatchObject({
      equal: true,
      live: { generation: 1 },
      next: { generation: 2 },
    });
    expect(verified.tables.map(({ table }) => table)).toContain('memories');
    const promoted = await promoteNext(pool, memories, PROMOTE);
    expect(promoted).toMatchObject({ live: 2, before: 1, behind: 0 });
    expect(await states(fleet)).toEqual({ 1: 'previous', 2: 'live' });
    const rolledBack = await rollBack(pool, memories, SWAP);
    expect(rolledBack).toMatchObject({ live: 1, before: 2, behind: 0 });
    // A tenth of a second on an idle machine. On any machine the hold must outlast the swap: if it ran out
    // before, readers could see less than a moment before.
    expect(rolledBack.blockedMs).toBeLessThan(HOLD_MS);
    expect(await states(fleet)).toEqual({ 1: 'live', 2: 'next' });
    expect(await promoteNext(pool, memories, PROMOTE)).toMatchObject({ live: 2, behind: 0 });

    const [{ count }, { reads }] = [writing, reading];
    await until(
      'some more is written and read',
      () => writing.count > count + 50 && reading.reads > reads + 50,
    );
    const last = await writing.stop();
    await waitFor(pool, 'memories', last);
    expect(await reading.stop()).toEqual([]);
    const { rows } = await pool.query('select max(content::int) as newest from memory.memories');
    expect(rows).toEqual([{ newest: writing.count - 1 }]);
    await until('the previous one has run on', async () => {
      const lanes = await laneStatus(pool);
      return lanes.every(({ position }) => position >= last);
    });
    expect(await hashTables(pool, memories, 1)).toEqual(await hashTables(pool, memories, 2));

    await retireGeneration({ config, jsm: broker.jsm, pool }, 'memories', 1, never);
    expect(await states(fleet)).toEqual({ 2: 'live' });
    const left = await pool.query(`select to_regnamespace('memories_1') as schema`);
    expect(left.rows).toEqual([{ schema: null }]);
    await expect(
      broker.jsm.consumers.info(config.log.stream, 'projection-memories-1-0'),
    ).rejects.toThrow(/not found/);
    await appendAll(broker, config, [revised('m-0', '1000000')]);
    await fleet.applied(last + 1);
  },
);
