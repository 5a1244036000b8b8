import type { Projection } from '../kit/define.ts';
import type { Fold } from '../kit/fold.ts';
import type { KeyedTable, LogTable, SetTable, Table } from '../kit/tables.ts';
import { AppliedWriter } from './applied.ts';
import { KeyedWriter } from './keyed.ts';
import { LogWriter, ReportingLogWriter } from './log.ts';
import { SetWriter } from './sets.ts';
import { type BoundStatement, inFlight, runBound, type WriteStep } from './statement.ts';

type Step = (fold: Fold) => WriteStep[];

/** Writes folds into the tables of one generation, with a handful of statements for any batch. */
export class ProjectionWriter {
  readonly applied: AppliedWriter;
  readonly #steps: readonly Step[];

  constructor(projection: Projection, schema: string) {
    this.applied = new AppliedWriter(schema);
    this.#steps = projection.tables.map((table) => stepOf(schema, table));
  }

  /**
   * Encodes the parameters now, so that this work overlaps the previous transaction; the result runs
   * the statements, in the order of the tables.
   * @throws UnwritableValue
   */
  prepare(fold: Fold): WriteStep {
    const steps = this.#steps.flatMap((step) => step(fold));
    return {
      write: async (db) => {
        for (const { write } of steps) await write(db);
      },
      fresh: joined(steps.map(({ fresh }) => fresh)),
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
    return rows.length === 0 ? [] : [writer.prepare(rows)];
  };
}

function running(statement: BoundStatement): WriteStep {
  return {
    write: async (db) => {
      await runBound(db, statement);
    },
    fresh: [inFlight(statement)],
  };
}

/** All parts joined; undefined if one of them is. */
function joined(parts: readonly WriteStep['fresh'][]): WriteStep['fresh'] {
  const known = parts.filter((part) => part !== undefined);
  return known.length === parts.length ? known.flat() : undefined;
}
