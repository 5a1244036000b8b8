import type { Row } from '../kit/columns.ts';
import type { LogTable } from '../kit/tables.ts';
import {
  type BoundStatement,
  bindRows,
  casts,
  cellOfRow,
  columnList,
  given,
  names,
  type Statement,
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
 * Of two copies of an event the one earlier in the log stands, whichever is met first: lanes may
 * meet them in any order when a publisher used one id for two memories.
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
