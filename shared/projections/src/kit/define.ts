import { readFileSync } from 'node:fs';
import type { MemoryEvent, MemoryEventType } from '@memfleet/events';
import type { ColumnGroup, Operation, Table } from './tables.ts';

/** An event's position in the log: all that a handler may know besides the event itself. */
export interface Position {
  readonly sequence: number;
  /** The event's key in every dedupe table; computed on first use. */
  readonly eventKey: string;
}

/** Event in, row operations out. No clock, no randomness, no I/O. */
export type Handler<Type extends MemoryEventType = MemoryEventType> = (
  event: Extract<MemoryEvent, { readonly type: Type }>,
  at: Position,
) => readonly Operation[];

export type Handlers = { readonly [Type in MemoryEventType]?: Handler<Type> };

/** A projection: a fold over the log, kept in tables of its own. */
export interface Projection {
  readonly name: string;
  /** Raise it when the same log gives other tables; the old ones serve until a rebuild is promoted. */
  readonly version: number;
  /** In the order of writing: an owner before the tables it seals. */
  readonly tables: readonly Table[];
  readonly handlers: Handlers;
  /** For events of all other types, including those that modules add. */
  readonly every?: Handler;
  /**
   * Event types whose effect is the same when a copy is stored later in the log. Every other event
   * goes through the projection's table of applied events, which costs an index entry each.
   */
  readonly repeatable: ReadonlySet<string> | 'every';
  /** Creates the tables in the schema that is first on the search path. */
  readonly tablesSql: string;
  /** Creates or replaces the views in the schema `memory` over the tables on the search path. */
  readonly viewsSql: string;
}

/** Short enough for `<schema>.<table>-remove` to name a prepared statement (63 bytes). */
const NAME = /^[a-z][a-z0-9_]{0,19}$/;

/** @throws Error when a name cannot be one in the database, or the order of the tables is wrong. */
export function defineProjection(definition: {
  readonly name: string;
  readonly version: number;
  /** Where tables.sql and views.sql are: `import.meta.url` of the projection's file. */
  readonly home: string;
  readonly tables: readonly Table[];
  readonly handlers: Handlers;
  readonly every?: Handler;
  readonly repeatable?: readonly MemoryEventType[] | 'every';
}): Projection {
  const { name, version, home, tables, handlers, every, repeatable = [] } = definition;
  const names = tables.flatMap(namesOf);
  for (const each of [name, ...names]) {
    if (!NAME.test(each)) throw new Error(`projection ${name}: ${each} cannot be a name`);
  }
  for (const [index, table] of tables.entries()) {
    const owner = table.kind === 'keyed' ? table.sealedBy?.owner : undefined;
    const before = tables.slice(0, index).map((each) => each.name);
    if (owner !== undefined && !before.includes(owner.name)) {
      throw new Error(`projection ${name}: ${owner.name} must come before ${table.name}`);
    }
  }
  return Object.freeze({
    name,
    version,
    tables,
    handlers,
    ...(every === undefined ? {} : { every }),
    repeatable: repeatable === 'every' ? repeatable : new Set(repeatable),
    tablesSql: readFileSync(new URL('tables.sql', home), 'utf8'),
    viewsSql: readFileSync(new URL('views.sql', home), 'utf8'),
  });
}

/** A projection's handler for events of a type; undefined when it ignores them. */
export function handlerOf(
  { handlers, every }: Pick<Projection, 'handlers' | 'every'>,
  type: string,
): ((event: MemoryEvent, at: Position) => readonly Operation[]) | undefined {
  // The catalogue ties a type to its event; indexing by the type loses that tie.
  const own = handlers[type as MemoryEventType] as Handler | undefined;
  return own ?? every;
}

/** Whether a copy of an event of this type, later in the log, changes nothing. */
export function isRepeatable({ repeatable }: Projection, type: string): boolean {
  return repeatable === 'every' || repeatable.has(type);
}

/** The names of all tables of a declaration, including the member tables of a set table. */
export function tableNames(table: Table): string[] {
  return table.kind === 'set' ? [table.name, ...Object.keys(table.members)] : [table.name];
}

function namesOf(table: Table): string[] {
  switch (table.kind) {
    case 'keyed':
      return [
        table.name,
        ...Object.keys(table.key),
        ...Object.values(table.groups).flatMap(ofGroup),
      ];
    case 'log':
      return [table.name, ...Object.keys(table.columns)];
    case 'set':
      return [
        ...tableNames(table),
        ...Object.keys(table.key),
        ...ofGroup(table.group),
        ...Object.values(table.members).flatMap(({ key, columns }) =>
          Object.keys({ ...key, ...columns }),
        ),
      ];
    default:
      return table satisfies never;
  }
}

function ofGroup({ guard, columns }: ColumnGroup): string[] {
  return [guard].concat(Object.keys(columns));
}
