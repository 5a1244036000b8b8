import pg from 'pg';
import type { FleetConfig } from '../config/schema.ts';
import { messageOf, RuntimeError } from '../errors.ts';
import type { Pool } from './connection.ts';

/**
 * A process that was stopped in the middle of a transaction keeps its rows locked. The process that takes
 * over its work waits for them no longer than this.
 */
const IDLE_IN_TRANSACTION_MS = 10_000;

/**
 * A pool whose idle connections may die without ending the process. It notices dead connections by TCP
 * keepalive, and by a client-side limit a little above the server's own.
 */
export function createPool(
  url: string,
  settings: FleetConfig['database'],
  options: { readonly name: string; readonly onError?: (error: Error) => void },
): Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: `memfleet ${options.name}`,
    max: settings.poolSize,
    connectionTimeoutMillis: settings.connectTimeout,
    statement_timeout: settings.statementTimeout,
    query_timeout: settings.statementTimeout + 2_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    // The client sends queued statements together: see `flight`.
    pipeline: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: 2_000,
    // Our statements take arrays, and tables grow fast: a cached plan that was made for an empty table
    // scans all of it when it is full. (Measured: 530 µs an event for a claim, 30 with a fresh plan.)
    // And events that are acked to the broker must survive a crash of the database server, regardless of
    // its own default.
    options: '-c plan_cache_mode=force_custom_plan -c synchronous_commit=on',
  });
  // Without a listener, a connection that dies while idle ends the process.
  pool.on('error', (error) => options.onError?.(error));
  // Nor may a connection end it that dies between the pool's listener and its user's: a killed server
  // says so in the same packet as the answer that made the connection ready.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** @throws RuntimeError DATABASE_UNREACHABLE that names the server, never the password. */
export async function checkDatabase(pool: Pool, url: string): Promise<void> {
  try {
    await pool.query('select 1');
  } catch (error) {
    throw new RuntimeError(
      'DATABASE_UNREACHABLE',
      `PostgreSQL at ${redactUrl(url)} does not answer: ${messageOf(error)}`,
      error,
    );
  }
}

/** A connection URL for display: without user and password. */
export function redactUrl(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return 'the given address';
  }
}
