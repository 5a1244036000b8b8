import type { Queryable } from '@memfleet/runtime';
import type { Row } from '../kit/columns.ts';
import type { LogTable } from '../kit/tables.ts';
import { copiesStatement } from './copies.ts';
import {
  type BoundStatement,
  bindRows,
  casts,
  cellOfRow,
  columnList,
  given,
  names,
  requireFresh,
  runBound,
  type Statement,
  type WriteStep,
} from './statement.ts';

/** Adds the rows of one log table. */
export class LogWriter {
  readonly #add: Statement;

  constructor(schema: string, table: LogTable) {
    this.#add = addStatement(schema, table);
  }

  add(rows: readonly Row[]): BoundStatement {
    return bindRows(this.#add, rows, cellOfRow);
  }
}

/**
 * The same for a table that reports copies. As long as there are none, it costs one comparison: all
 * given rows are new.
 */
export class ReportingLogWriter {
  readonly #insert: Statement;
  readonly #insertAll: Statement;
  readonly #record: Statement;
  readonly #add: LogWriter;

  constructor(schema: string, table: LogTable) {
    this.#insert = insertStatement(schema, table);
    this.#insertAll = requireFresh(this.#insert);
    this.#record = copiesStatement(schema, table.name);
    this.#add = new LogWriter(schema, table);
  }

  /** `copies` are rows of the batch that gave way to one of `rows`. */
  prepare(rows: readonly Row[], copies: readonly Row[]): WriteStep {
    const insert = bindRows(this.#insert, rows, cellOfRow);
    const write = async (db: Queryable): Promise<void> => {
      const { rowCount: fresh } = await runBound(db, insert);
      if (fresh === rows.length && copies.length === 0) return;
      // Recorded before a stored copy gives way to an earlier one: its position would be lost.
      await runBound(db, bindRows(this.#record, [...rows, ...copies], cellOfRow));
      if (fresh !== rows.length) await runBound(db, this.#add.add(rows));
    };
    if (copies.length > 0) return { write, fresh: undefined };
    const { name, text } = this.#insertAll;
    return { write, fresh: [{ name, text, values: insert.values }] };
  }
}

function insertStatement(schema: string, table: LogTable): Statement {
  const columns = columnList(table.columns);
  const text = `insert into ${schema}.${table.name} (${names(columns)})
    select ${casts(columns)} from ${given(columns)}
    on conflict (event_key) do nothing`;
  return { name: `${schema}.${table.name}-insert`, text, columns };
}

/**
 * Of two copies of an event the one earlier in the log is kept, in any order of arrival: lanes may meet
 * them in any order when a publisher used one id for two memories.
 */
function addStatement(schema: string, table: LogTable): Statement {
  const columns = columnList(table.columns);
  const sets = columns
    .filter(([name]) => name !== 'event_key')
    .map(([name]) => `${name} = excluded.${name}`);
  const text = `insert into ${schema}.${table.name} as stored (${names(columns)})
    select ${casts(columns)} from ${given(columns)}
    on conflict (event_key) do update set ${sets.join(', ')}
    where excluded.sequence < stored.sequence`;
  return { name: `${schema}.${table.name}`, text, columns };
}
