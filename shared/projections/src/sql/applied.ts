import type { Queryable } from '@memfleet/runtime';
import {
  type BoundStatement,
  bindRows,
  cellOfRow,
  requireFresh,
  type Statement,
} from './statement.ts';

/** Identifies one application: the event, and the memory in whose order it is. */
export interface AppliedKey {
  readonly event_key: string;
  readonly memory: string;
}

/** The dedupe table of each projection, for events whose effect a later copy would repeat. */
export const APPLIED_SQL = `create table applied (
  event_key uuid not null,
  memory    text not null,
  primary key (event_key, memory)
)`;

export class AppliedWriter {
  readonly #claim: Statement;
  readonly #claimAll: Statement;

  constructor(schema: string) {
    const columns = [
      ['event_key', 'uuid'],
      ['memory', 'text'],
    ] as const;
    const insert = {
      name: `${schema}.applied`,
      text: `insert into ${schema}.applied (event_key, memory)
        select given.event_key::uuid, given.memory
        from unnest($1::text[], $2::text[]) as given (event_key, memory)
        on conflict do nothing`,
      columns,
    };
    this.#claim = { ...insert, text: `${insert.text} returning event_key, memory` };
    this.#claimAll = requireFresh(insert);
  }

  /** @returns the ids (`appliedId`) of the events that were not applied before. */
  async claim(db: Queryable, keys: readonly AppliedKey[]): Promise<ReadonlySet<string>> {
    const { name, text, values } = bound(this.#claim, keys);
    const { rows } = await db.query<AppliedKey>({ name, text, values: [...values] });
    return new Set(rows.map(appliedId));
  }

  /** Fails if any of them was applied before. */
  claimAll(keys: readonly AppliedKey[]): BoundStatement {
    return bound(this.#claimAll, keys);
  }
}

function bound(statement: Statement, keys: readonly AppliedKey[]): BoundStatement {
  return bindRows(
    statement,
    keys.map((key) => ({ ...key })),
    cellOfRow,
  );
}

export function appliedId({ event_key, memory }: AppliedKey): string {
  return `${event_key} ${memory}`;
}
