import { every, type Logger, messageOf, type Pool, type Repeated } from '@memfleet/runtime';

const EVERY_MS = 1_000;

/**
 * An index for searching words gathers new entries in a pending list, and the transaction that fills
 * it up merges all of them while the events behind it wait. Merged every second beside the lanes, it
 * seldom fills up, and a search has about a second of entries to look through one by one. (What that
 * does for the latency has not been measured apart.)
 */
export class PendingLists {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #schemas: () => readonly string[];
  readonly #repeated: Repeated;

  /** `schemas` are those whose indexes this process is to look after. */
  constructor(pool: Pool, log: Logger, schemas: () => readonly string[]) {
    this.#pool = pool;
    this.#log = log;
    this.#schemas = schemas;
    this.#repeated = every(EVERY_MS, () => this.#mergeOurs());
  }

  async stop(): Promise<void> {
    await this.#repeated.stop();
  }

  async #mergeOurs(): Promise<void> {
    const schemas = this.#schemas();
    if (schemas.length === 0) return;
    try {
      await this.#merge(schemas);
    } catch (error) {
      // Nothing is lost: the transaction that fills the list up merges it.
      this.#log.debug({ reason: messageOf(error) }, 'pending entries could not be merged');
    }
  }

  async #merge(schemas: readonly string[]): Promise<void> {
    // Only an owner may; a worker with a lesser role leaves it to the transactions.
    await this.#pool.query({
      name: 'merge-pending',
      text: `select gin_clean_pending_list(indexrelid)
        from pg_index
        join pg_class as entry on entry.oid = indexrelid
        join pg_am on pg_am.oid = entry.relam
        where amname = 'gin' and indisvalid and pg_has_role(relowner, 'usage')
          and relnamespace = any (select oid from pg_namespace where nspname = any ($1))`,
      values: [schemas],
    });
  }
}
