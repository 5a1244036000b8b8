import { createEvent, type Envelope, nameBasedId } from '@memfleet/events';
import type {
  FixtureCopy,
  FixtureEvent,
  Projection,
  ProjectionFixture,
  Row,
} from '@memfleet/projections';
import { ask } from './ask.ts';
import { ProjectionFault, shown } from './fault.ts';
import { freezeGlobals } from './frozen-globals.ts';
import { readLog } from './log.ts';
import { type Rows, TablesInMemory } from './tables-in-memory.ts';

/** The events of a fixture as they are in the log. @throws ProjectionFault */
export function fixtureLog({ name }: Projection, fixture: ProjectionFixture): Envelope[] {
  const log: Envelope[] = [];
  for (const [index, said] of fixture.log.entries()) {
    try {
      log.push('copyOf' in said ? copyOf(log, said.copyOf) : envelopeOf(said, index + 1));
    } catch (error) {
      throw new ProjectionFault({
        projection: name,
        check: 'fixture',
        what: `event ${index + 1} of "${fixture.name}" is invalid: ${error instanceof Error ? error.message : String(error)}`,
        hint: 'fix its data; shared/events/src/catalogue has the schema of each type',
      });
    }
  }
  return log;
}

function copyOf(log: readonly Envelope[], position: number): Envelope {
  const found = log[position - 1];
  if (found === undefined) throw new Error(`there is no event at position ${position} before it`);
  return found;
}

function envelopeOf(said: Exclude<FixtureEvent, FixtureCopy>, position: number): Envelope {
  return createEvent({
    tenant: said.tenant ?? 'acme',
    memory: said.memory,
    // The compiler has tied type and data together in the fixture; here they may be any.
    type: said.type as 'memory.created',
    data: said.data as { readonly content: string },
    source: '/fixture',
    id: nameBasedId('fixture', String(position)),
    time: said.time ?? new Date(Date.UTC(2026, 0, 1) + position * 1_000).toISOString(),
  });
}

/** The fold of a fixture's log. @throws ProjectionFault */
export function foldFixture(
  projection: Projection,
  fixture: ProjectionFixture,
): ReadonlyMap<string, Rows> {
  const envelopes = fixtureLog(projection, fixture);
  using _frozen = freezeGlobals();
  const tables = new TablesInMemory(projection);
  tables.applyOneByOne(readLog(projection, envelopes, 1).map((entry) => ask(projection, entry)));
  return tables.rows();
}

/** Checks the tables against the rows of the fixture. @throws ProjectionFault */
export function proveFixture(projection: Projection, fixture: ProjectionFixture): void {
  const found = foldFixture(projection, fixture);
  for (const [table, expected] of Object.entries(fixture.tables)) {
    const rows = found.get(table);
    if (rows === undefined) {
      throw new ProjectionFault({
        projection: projection.name,
        check: 'fixture',
        what: `"${fixture.name}" names the table ${table}, which is not declared`,
        hint: `the tables are ${[...found.keys()].join(', ')}`,
      });
    }
    compareRows(projection, fixture.name, table, expected, [...rows.values()]);
  }
}

/** Compares all rows of a table or view, in any order, by the given columns. */
export function compareRows(
  { name }: Projection,
  fixture: string,
  table: string,
  expected: readonly Row[],
  found: readonly Readonly<Record<string, unknown>>[],
): void {
  const left = [...found];
  const missing: Row[] = [];
  for (const row of expected) {
    const index = left.findIndex((each) =>
      Object.entries(row).every(([column, value]) => each[column] === value),
    );
    if (index === -1) missing.push(row);
    else left.splice(index, 1);
  }
  if (missing.length === 0 && left.length === 0) return;
  throw new ProjectionFault({
    projection: name,
    check: 'fixture',
    what: `"${fixture}": ${table} differs from the fixture`,
    where: [
      ...missing.map((row) => `missing: ${shown(row)}`),
      ...left.map((row) => `not expected: ${shown(row)}`),
    ],
    hint: 'fix the handler, or the fixture if the handler is right; a fixture lists all rows of each table it names',
  });
}
