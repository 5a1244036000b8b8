import { every, type Logger, messageOf, type Pool, type Repeated } from '@memfleet/runtime';

const EVERY_MS = 1_000;

/**
 * Merges the pending lists of GIN indexes every second, beside the lanes. Such an index gathers new
 * entries in a pending list, and the transaction that fills the list merges all of them while later
 * events wait. Merged every second, the list seldom fills up, and a search scans about one second of
 * entries one by one. (The effect on latency has not been measured separately.)
 */
export class PendingLists {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #schemas: () => readonly string[];
  readonly #repeated: Repeated;

  /** `schemas` returns the schemas whose indexes this process maintains. */
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
      // Nothing is lost: the transaction that fills the list merges it.
      this.#log.debug({ reason: messageOf(error) }, 'pending entries could not be merged');
    }
  }

  async #merge(schemas: readonly string[]): Promise<void> {
    // Only the owner may merge; a worker with a lesser role leaves it to the transactions.
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
