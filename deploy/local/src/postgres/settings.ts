import { availableParallelism } from 'node:os';

/**
 * Server settings for one machine with 2 to 8 cores that also runs the workers. `durable: false` gives up the data after
 * a crash of the machine for speed: for tests and benchmarks only. `extra` wins.
 */
export function postgresSettings(
  durable: boolean,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  return {
    // Some dozens of workers, each with a small pool, a console and a bench beside them; idle ones cost little.
    max_connections: '200',
    // Read models of a first million memories fit; the rest of the memory is left to the page cache and the workers.
    shared_buffers: '256MB',
    effective_cache_size: '1GB',
    // Sorts and hashes of recall and verification stay in memory; few run at once.
    work_mem: '16MB',
    // Index builds after a rebuild.
    maintenance_work_mem: '128MB',
    // Bulk upserts write whole pages after each checkpoint: fewer checkpoints, and smaller pages.
    max_wal_size: '2GB',
    checkpoint_timeout: '15min',
    wal_compression: 'on',
    // Nothing replicates a local server; COPY into a table of the same transaction then writes no WAL at all.
    wal_level: 'minimal',
    max_wal_senders: '0',
    // SSDs: a random page costs little more than the next one.
    random_page_cost: '1.1',
    // Short statements by the thousand, which compiling only delays.
    jit: 'off',
    // The cores belong to the workers as well.
    max_parallel_workers_per_gather: String(Math.min(2, availableParallelism() - 1)),
    // A session whose worker is gone frees its locks before the next lease runs out.
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
          // What is left of whole pages is new databases, one for a test: 230 ms each with it, 30 without.
          wal_compression: 'off',
        }),
    ...extra,
  };
}

/** As arguments of the postgres program: visible in the process list, and always those of this version of the code. */
export const settingArgs = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
