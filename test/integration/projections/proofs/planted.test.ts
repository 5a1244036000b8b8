import type { Projection, ProjectionFixture } from '@memfleet/projections';
import { expect, test } from 'vitest';
import { memories } from '../../../../shared/projections/src/projections/memories/projection.ts';
import { createTestDatabase } from '../../../support/database.ts';
import { proveDeclared } from '../../../support/projection-kit/declared-tables.ts';
import { proveDatabase } from '../../../support/projection-kit/prove-database.ts';
import { fixtures } from '../notes/fixtures.ts';
import { notes } from '../notes/projection.ts';

// Faults that only the database can find in a projection, and the kit's messages about them.

function withTables(change: (sql: string) => string): Projection {
  const tablesSql = change(notes.tablesSql);
  expect(tablesSql).not.toBe(notes.tablesSql);
  return { ...notes, tablesSql };
}

test('tables that differ from their declaration, each with its problem', async () => {
  await using database = await createTestDatabase();
  const { pool } = database;
  await pool.query(`create schema planted;
    create table planted.notes (
      tenant text, memory text, content varchar(10), extra text not null, primary key (memory)
    )`);
  await expect(proveDeclared(pool, notes, 'planted')).rejects.toThrow(
    [
      'projection notes, check "tables.sql": the tables differ from their declaration',
      '  notes.content is declared as text but created as character varying(10)',
      '  notes.content_seq is declared as bigint but missing',
      '  notes.extra is `not null`, but no declaration says what to write there',
      '  table notes needs `primary key (tenant, memory)`: rows are found by it',
      '  table revisions is declared but not created',
      '  what to do: projection.ts and tables.sql must agree: fix the one that is wrong',
    ].join('\n'),
  );
  await pool.query(`create schema strict; set search_path to strict`);
  await pool.query(
    `set search_path to strict; ${memories.tablesSql.replace('kind           text,', 'kind text not null,')}`,
  );
  await expect(proveDeclared(pool, memories, 'strict')).rejects.toThrow(
    'memories.kind is `not null`, but another group may write the row first',
  );
});

test('a column with another value each time', async () => {
  const clock = withTables((sql) =>
    sql.replace('revisions   bigint', 'seen_at timestamptz default clock_timestamp()'),
  );
  await expect(proveDatabase(clock, fixtures)).rejects.toThrow(
    /check "PostgreSQL": the table notes is not the fold of the log[\s\S]*in the table: [\s\S]*in the fold: [\s\S]*such as now\(\)/,
  );
});

test('rows that a constraint refuses', async () => {
  const strict = withTables((sql) =>
    sql.replace("check (content <> 'refused')", "check (content <> 'b')"),
  );
  await expect(proveDatabase(strict, fixtures)).rejects.toThrow(
    /check "PostgreSQL": the rows of an event are refused: .*notes_content_check[\s\S]*position 2, memory\.revised/,
  );
});

test('views that do not show the rows of the fixture', async () => {
  const [fixture] = fixtures;
  const wrong: ProjectionFixture = { ...fixture, views: { notes: [{ content: 'a' }] } };
  await expect(proveDatabase(notes, [wrong])).rejects.toThrow(
    /check "fixture": "the last content wins.*": memory\.notes differs from the fixture[\s\S]*missing: \{ content: 'a' \}/,
  );
});

test('SQL that cannot be run', async () => {
  const broken = {
    ...notes,
    viewsSql: 'create or replace view memory.notes as select nothing from notes',
  };
  await expect(proveDatabase(broken, fixtures)).rejects.toThrow(
    'tables.sql and views.sql cannot be run: column "nothing" does not exist',
  );
});
