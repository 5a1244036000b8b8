import type { Envelope } from '@memfleet/events';
import { topologyOf } from '@memfleet/fleet';
import {
  hashTables,
  type Projection,
  type ProjectionFixture,
  schemaOf,
} from '@memfleet/projections';
import { messageOf, type Pool, provisionTopology, transaction } from '@memfleet/runtime';
import fc from 'fast-check';
import { generatedLog } from '../../integration/projections/generated-log.ts';
import { connectTestBroker } from '../broker.ts';
import { testSettings, uniqueNames } from '../settings.ts';
import { appendAll, createTestFleet } from '../test-fleet.ts';
import { type Answer, ask } from './ask.ts';
import { proveDeclared } from './declared-tables.ts';
import { ProjectionFault, shown } from './fault.ts';
import { freezeGlobals } from './frozen-globals.ts';
import { readLog, shownEntry } from './log.ts';
import { compareRows, fixtureLog, foldFixture } from './prove-fixture.ts';
import { type Rows, TablesInMemory } from './tables-in-memory.ts';

/** The schema for the rows of the fold, which are hashed like the engine's. */
const FOLD = 9_999;
const LOGS = 2;
/** A limit for hangs: on two busy cores a second may become a minute. */
const LIMIT_MS = 120_000;
/** A fixed seed, so that a failing test fails again. */
const SEED = 1;

/** One event per transaction first: a constraint may refuse a row that a larger batch folds away. */
const SETUPS = [
  { 'projections.batch': '1' },
  { 'projections.batch': '300', 'projections.lanes': '8' },
];

/**
 * Proves a projection on a real NATS and PostgreSQL: its SQL matches the declaration, and the tables that
 * the engine writes are the fold of the log, by hash, with one lane and with eight.
 * @returns how many rows were compared
 * @throws ProjectionFault
 */
export async function proveDatabase(
  projection: Projection,
  fixtures: readonly ProjectionFixture[],
): Promise<number> {
  await using broker = await connectTestBroker();
  const log = oneLog(projection, fixtures);
  const names = uniqueNames();
  const plain = testSettings(names);
  await provisionTopology(broker.jsm, topologyOf(plain));
  try {
    await appendAll(broker, plain, log);
    const answers = answersOf(projection, log);
    let compared = 0;
    for (const setup of SETUPS) {
      const config = testSettings({ ...names, ...setup });
      await using fleet = await provisioned(projection, () =>
        createTestFleet(broker, config, [projection]),
      );
      await proveDeclared(fleet.pool, projection, schemaOf(projection.name, 1));
      for (const fixture of fixtures) await proveViews(fleet.pool, projection, fixture);
      const engine = fleet.start();
      await fleet.applied(log.length, LIMIT_MS);
      await engine.stop();
      await expectNoneParked(fleet.pool, projection, answers);
      compared += await expectFold(fleet.pool, projection, answers);
    }
    return compared;
  } finally {
    await broker.jsm.streams.delete(plain.log.stream);
  }
}

/** Runs tables.sql and views.sql for the first time. */
async function provisioned<Fleet>(
  { name }: Projection,
  create: () => Promise<Fleet>,
): Promise<Fleet> {
  try {
    return await create();
  } catch (error) {
    throw new ProjectionFault({
      projection: name,
      check: 'tables.sql',
      what: `tables.sql and views.sql cannot be run: ${messageOf(error)}`,
      hint: 'create tables without a schema, and views as `create or replace view memory.<name>`',
    });
  }
}

/** Fixtures and generated logs one after the other, each with its own tenants. */
function oneLog(projection: Projection, fixtures: readonly ProjectionFixture[]): Envelope[] {
  const generated = fc.sample(generatedLog, { numRuns: LOGS, seed: SEED });
  const logs = [...fixtures.map((fixture) => fixtureLog(projection, fixture)), ...generated];
  return logs.flatMap((log, index) =>
    log.map((envelope) => ({ ...envelope, tenantid: `${envelope.tenantid}-${index}` })),
  );
}

function answersOf(projection: Projection, log: readonly Envelope[]): Answer[] {
  using _frozen = freezeGlobals();
  return readLog(projection, log, 1).map((entry) => ask(projection, entry));
}

async function expectNoneParked(
  pool: Pool,
  { name }: Projection,
  answers: readonly Answer[],
): Promise<void> {
  const { rows } = await pool.query<{ sequence: string; reason: string }>(
    'select sequence, reason from memfleet.parked_events order by sequence limit 1',
  );
  const [parked] = rows;
  if (parked === undefined) return;
  const answer = answers[Number(parked.sequence) - 1];
  throw new ProjectionFault({
    projection: name,
    check: 'PostgreSQL',
    what: `the rows of an event are refused: ${parked.reason}`,
    where: answer === undefined ? [] : [shownEntry(answer.entry), shown(answer.operations)],
    hint: 'relax the constraint in tables.sql, or do not write the rows it refuses: in production this parks the memory',
  });
}

async function expectFold(
  pool: Pool,
  projection: Projection,
  answers: readonly Answer[],
): Promise<number> {
  const tables = new TablesInMemory(projection);
  tables.applyOneByOne(answers);
  const [ours, theirs] = [schemaOf(projection.name, 1), schemaOf(projection.name, FOLD)];
  await pool.query(`create schema ${theirs}`);
  for (const [name, rows] of tables.rows()) {
    await pool.query(
      `create table ${theirs}.${name} (like ${ours}.${name} including defaults including generated)`,
    );
    await insertRows(pool, `${theirs}.${name}`, rows);
  }
  const found = await hashTables(pool, projection, 1);
  const expected = await hashTables(pool, projection, FOLD);
  for (const [index, { table, rows, hash }] of expected.entries()) {
    const other = found[index];
    if (other?.hash === hash && other.rows === rows) continue;
    throw new ProjectionFault({
      projection: projection.name,
      check: 'PostgreSQL',
      what: `the table ${table} is not the fold of the log: ${other?.rows ?? 0} rows instead of ${rows}, or different ones`,
      where: [
        ...(await onlyIn(pool, `${ours}.${table}`, `${theirs}.${table}`)).map(
          (row) => `in the table: ${row}`,
        ),
        ...(await onlyIn(pool, `${theirs}.${table}`, `${ours}.${table}`)).map(
          (row) => `in the fold:  ${row}`,
        ),
      ],
      hint: 'look for triggers and defaults in tables.sql that change each time, such as now(); if there are none, the engine itself is at fault',
    });
  }
  return expected.reduce((sum, { rows }) => sum + rows, 0);
}

async function insertRows(db: Pick<Pool, 'query'>, table: string, rows: Rows): Promise<void> {
  const [first] = rows.values();
  if (first === undefined) return;
  const columns = Object.keys(first).join(', ');
  await db.query(
    `insert into ${table} (${columns})
      select ${columns} from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
    [JSON.stringify([...rows.values()])],
  );
}

async function onlyIn(pool: Pool, table: string, other: string): Promise<string[]> {
  const { rows } = await pool.query<{ row: string }>(
    `select stored::text as row from ${table} as stored
      except select stored::text from ${other} as stored order by row limit 3`,
  );
  return rows.map(({ row }) => row);
}

/** Checks the views of a fixture; the tables are empty again when it returns. @throws ProjectionFault */
async function proveViews(
  pool: Pool,
  projection: Projection,
  fixture: ProjectionFixture,
): Promise<void> {
  const { views } = fixture;
  if (views === undefined) return;
  const schema = schemaOf(projection.name, 1);
  const tables = foldFixture(projection, fixture);
  await transaction(pool, async (client) => {
    await client.query(`set local timezone to 'UTC'`);
    for (const [name, rows] of tables) await insertRows(client, `${schema}.${name}`, rows);
    for (const [view, expected] of Object.entries(views)) {
      const { rows } = await client.query<{ row: Record<string, unknown> }>(
        `select to_jsonb(shown) as row from memory.${view} as shown`,
      );
      compareRows(
        projection,
        fixture.name,
        `memory.${view}`,
        expected,
        rows.map(({ row }) => row),
      );
    }
    for (const name of tables.keys()) await client.query(`truncate ${schema}.${name}`);
  });
}
