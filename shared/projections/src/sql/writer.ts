import type { Queryable } from '@memfleet/runtime';
import type { Row } from '../kit/columns.ts';
import type { Projection } from '../kit/define.ts';
import type { Fold } from '../kit/fold.ts';
import type { KeyedTable, LogTable, SetTable, Table } from '../kit/tables.ts';
import { AppliedWriter } from './applied.ts';
import { KeyedWriter } from './keyed.ts';
import { LogWriter, ReportingLogWriter } from './log.ts';
import { SetWriter } from './sets.ts';
import type { BoundStatement } from './statement.ts';

type Step = (fold: Fold) => WriteStep[];

/** One or two statements on one table, with their parameters made. */
type WriteStep = (db: Queryable) => Promise<void>;

/** Writes folds into the tables of one generation: a handful of statements, whatever the batch. */
export class ProjectionWriter {
  readonly applied: AppliedWriter;
  readonly #steps: readonly Step[];

  constructor(projection: Projection, schema: string) {
    this.applied = new AppliedWriter(schema);
    this.#steps = projection.tables.map((table) => stepOf(schema, table));
  }

  /**
   * Makes the parameters now, so that this work overlaps the transaction before; what it returns
   * runs the statements, in the order of the tables.
   * @throws UnwritableValue
   */
  prepare(fold: Fold): (db: Queryable) => Promise<void> {
    const steps = this.#steps.flatMap((step) => step(fold));
    return async (db) => {
      for (const step of steps) await step(db);
    };
  }
}

function stepOf(schema: string, table: Table): Step {
  switch (table.kind) {
    case 'keyed':
      return keyedStep(new KeyedWriter(schema, table), table);
    case 'log':
      return table.reportsCopies
        ? reportingStep(new ReportingLogWriter(schema, table), table)
        : logStep(new LogWriter(schema, table), table);
    case 'set':
      return setStep(new SetWriter(schema, table), table);
    default:
      return table satisfies never;
  }
}

function keyedStep(writer: KeyedWriter, table: KeyedTable): Step {
  return (fold) => {
    const owner = table.sealedBy?.owner;
    const drop = owner === undefined ? undefined : writer.drop(fold.keyed(owner));
    const rows = fold.keyed(table);
    const upsert = rows.length === 0 ? undefined : writer.upsert(rows);
    return [drop, upsert].filter((statement) => statement !== undefined).map(running);
  };
}

function logStep(writer: LogWriter, table: LogTable): Step {
  return (fold) => {
    const rows = fold.log(table);
    return rows.length === 0 ? [] : [running(writer.add(rows))];
  };
}

function reportingStep(writer: ReportingLogWriter, table: LogTable): Step {
  return (fold) => {
    const rows = fold.log(table);
    return rows.length === 0 ? [] : [writer.prepare(rows, fold.copies(table))];
  };
}

function setStep(writer: SetWriter, table: SetTable): Step {
  return (fold) => {
    const rows = fold.sets(table);
    if (rows.length === 0) return [];
    const owners = writer.owners(rows);
    // Nearly always every owner advances: its members are made ready beforehand.
    const all = writer.replace(rows);
    return [
      async (db) => {
        const { rows: returned } = await run(db, owners);
        const advanced =
          returned.length === rows.length ? all : writer.replace(writer.pick(rows, returned));
        for (const statement of advanced) await run(db, statement);
      },
    ];
  };
}

function running(statement: BoundStatement): WriteStep {
  return async (db) => {
    await run(db, statement);
  };
}

async function run(
  db: Queryable,
  { name, text, values }: BoundStatement,
): Promise<{ rows: Row[] }> {
  return await db.query<Row>({ name, text, values: [...values] });
}
