import { availableParallelism } from 'node:os';

/**
 * Server settings for one machine with 2 to 8 cores that also runs the workers. `durable: false` risks the data in a crash
 * of the machine for speed: for tests and benchmarks only. `extra` wins.
 */
export function postgresSettings(
  durable: boolean,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    // Enough for dozens of workers with a small pool each, a console and a bench; idle connections cost little.
    max_connections: '200',
    // Fits the read models of a million memories; the page cache and the workers get the rest of the memory.
    shared_buffers: '256MB',
    effective_cache_size: '1GB',
    // Sorts and hashes of recall and verification stay in memory; few run at once.
    work_mem: '16MB',
    // Index builds after a rebuild.
    maintenance_work_mem: '128MB',
    // Bulk upserts write full pages after each checkpoint: fewer checkpoints, and compressed pages.
    max_wal_size: '2GB',
    checkpoint_timeout: '15min',
    wal_compression: 'on',
    // Nothing replicates a local server; COPY into a table of the same transaction then writes no WAL at all.
    wal_level: 'minimal',
    max_wal_senders: '0',
    // SSDs: a random page costs little more than the next one.
    random_page_cost: '1.1',
    // Compilation only delays thousands of short statements.
    jit: 'off',
    // The workers need cores too.
    max_parallel_workers_per_gather: String(Math.min(2, availableParallelism() - 1)),
    // A session of a dead worker releases its locks before the next lease runs out.
    tcp_keepalives_idle: '5',
    tcp_keepalives_interval: '2',
    tcp_keepalives_count: '3',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable
      ? {}
      : {
          fsync: 'off',
          synchronous_commit: 'off',
          full_page_writes: 'off',
          // Full pages then come only from new databases, one per test: 230 ms each with it, 30 without.
          wal_compression: 'off',
        }),
    ...extra,
  };
}

/** Arguments for the postgres program: visible in the process list, and always from this version of the code. */
export const settingArgs = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
