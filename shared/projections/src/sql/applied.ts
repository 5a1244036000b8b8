import type { Queryable } from '@memfleet/runtime';
import { bindRows, cellOfRow, type Statement } from './statement.ts';

/** What makes an application one: the event, and the memory whose order it stands in. */
export interface AppliedKey {
  readonly event_key: string;
  readonly memory: string;
}

/** Every projection's own dedupe table, for events whose effect a later copy would repeat. */
export const APPLIED_SQL = `create table applied (
  event_key uuid not null,
  memory    text not null,
  primary key (event_key, memory)
)`;

export class AppliedWriter {
  readonly #claim: Statement;

  constructor(schema: string) {
    const columns = [
      ['event_key', 'uuid'],
      ['memory', 'text'],
    ] as const;
    this.#claim = {
      name: `${schema}.applied`,
      text: `insert into ${schema}.applied (event_key, memory)
        select given.event_key::uuid, given.memory
        from unnest($1::text[], $2::text[]) as given (event_key, memory)
        on conflict do nothing
        returning event_key, memory`,
      columns,
    };
  }

  /** @returns the ids (`appliedId`) of those that were not applied before. */
  async claim(db: Queryable, keys: readonly AppliedKey[]): Promise<ReadonlySet<string>> {
    const { name, text, values } = bindRows(
      this.#claim,
      keys.map((key) => ({ ...key })),
      cellOfRow,
    );
    const { rows } = await db.query<AppliedKey>({ name, text, values: [...values] });
    return new Set(rows.map(appliedId));
  }
}

export function appliedId({ event_key, memory }: AppliedKey): string {
  return `${event_key} ${memory}`;
}
