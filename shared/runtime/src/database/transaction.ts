import { jittered } from '../async/jittered.ts';
import { messageOf, RuntimeError } from '../errors.ts';
import type { Client, Pool } from './connection.ts';

/**
 * Runs `work` in one transaction; an error that it throws rolls back, and is rethrown.
 * @throws RuntimeError TRANSACTION_ABORTED when `work` went on after the error of a statement
 */
export async function transaction<Result>(
  pool: Pool,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  return await onConnection(pool, async (client) => {
    await client.query('begin');
    const result = await work(client).catch((error: unknown) => {
      throw sqlState(error) === IN_ABORTED ? aborted(error) : error;
    });
    mustBeCommit(await client.query('commit'));
    return result;
  });
}

/**
 * PostgreSQL answers the commit of an aborted transaction with a rollback, and without an error.
 * @throws RuntimeError TRANSACTION_ABORTED
 */
export function mustBeCommit({ command }: { readonly command: string }): void {
  if (command !== 'COMMIT') throw aborted();
}

function aborted(cause?: unknown): RuntimeError {
  const sentence = 'a statement of the transaction failed, and its error was not passed on';
  return new RuntimeError('TRANSACTION_ABORTED', sentence, cause);
}

/**
 * An error that `work` throws rolls back what it has begun, and is rethrown. A connection that `work`
 * discards is not used again.
 */
export async function onConnection<Result>(
  pool: Pool,
  work: (client: Client, discard: (reason: Error) => void) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // The connection may die between two statements; the next one then fails and reports it.
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  try {
    return await work(client, onError);
  } catch (error) {
    // A connection that has failed or hangs is discarded; asking it to roll back would wait for it.
    if (isConnectionError(error) || isOfStandby(error)) broken ??= error;
    broken ??= await rolledBack(client);
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/** The server was the primary when the connection was made; another connection finds the new one. */
function isOfStandby(error: unknown): error is Error {
  return sqlState(error) === READ_ONLY;
}

/** @returns why the connection cannot be used again, if it cannot */
async function rolledBack(client: Client): Promise<Error | undefined> {
  try {
    await client.query('rollback');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const READ_ONLY = '25006';
/** What every statement is told after one has failed. */
const IN_ABORTED = '25P02';

/** PostgreSQL's codes that mean "not now" rather than "never" (appendix A of its manual). */
const TRANSIENT_CODES: ReadonlySet<string> = new Set([
  READ_ONLY, // read-only: a standby before it is promoted
  '25P03', // idle in a transaction for too long: a process that was stopped inside of one
  '25P04', // a transaction that took too long
  '40001', // serialization failure
  '40P01', // deadlock
  '53000', // out of resources
  '53100', // disk full
  '53200', // out of memory
  '53300', // too many connections
  '55P03', // lock not available
  '57014', // statement timeout
  '57P01', // admin shutdown
  '57P02', // crash shutdown
  '57P03', // cannot connect now
  '57P04', // the database was dropped, as before it is restored
  '57P05', // idle session timeout
  '58030', // a read or write of the server's disk failed
]);

const NETWORK_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  // A statement sent to a socket that has just ended.
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
  'ERR_SOCKET_CLOSED',
]);

/**
 * Messages of pg itself, whose own errors have no code. (`timeout expired` is the client's limit for
 * connecting, which is as long as the pool's and may expire first.)
 */
const CLIENT_MESSAGES =
  /connection terminated|timeout exceeded when trying to connect|^timeout expired$|query read timeout|client has encountered a connection error|connection ended|not queryable|server does not support SSL|received unexpected \w+ message from backend/i;

/**
 * Classes of SQLSTATE that concern the server itself, its schema or its connection, and not the values it
 * was given: any other values would fail too. (Appendix A of the manual.)
 */
const SERVER_CLASSES: ReadonlySet<string> = new Set([
  '08', // connection
  '0A', // not supported
  '25', // state of the transaction
  '26', // a prepared statement is gone: a pooler, a failover
  '28', // who may log in
  '3D', // no such database
  '3F', // no such schema
  '40', // rolled back
  '42', // no such table or column, no permission
  '53', // resources
  '55', // not in the required state
  '57', // intervention by an operator
  '58', // errors of the system
  'F0', // configuration
  'XX', // internal errors, corrupted data
]);

/**
 * The transient codes that a single statement may cause for ever: it waits, reads or needs too much. The
 * server is there, and other statements may succeed.
 */
const STATEMENT_CODES: ReadonlySet<string> = new Set([
  '25P03',
  '25P04',
  '53100',
  '53200',
  '55P03',
  '57014',
  '58030',
]);

/** True when a reachable server could not complete this statement, and perhaps only this one. */
export function isStatementTrouble(error: unknown): boolean {
  return STATEMENT_CODES.has(sqlState(error));
}

/** True when the server itself, not a value, is at fault: for now, or until somebody acts. */
export function isServerError(error: unknown): boolean {
  if (isTransientDatabaseError(error)) return true;
  const code = sqlState(error);
  return /^[0-9A-Z]{5}$/.test(code) && SERVER_CLASSES.has(code.slice(0, 2));
}

/** True when the same statements may succeed later, and no event is to blame. */
export function isTransientDatabaseError(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isTransientDatabaseError);
  return isConnectionError(error) || TRANSIENT_CODES.has(sqlState(error));
}

/** True when the connection is at fault rather than the statement. */
function isConnectionError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const code = sqlState(error);
  return (
    NETWORK_CODES.has(code) ||
    code.startsWith('08') ||
    isOfSocket(error) ||
    TLS_CODES.test(code) ||
    CLIENT_MESSAGES.test(messageOf(error))
  );
}

/** With any code: when the socket is a file, a restarting server has none (ENOENT). */
function isOfSocket(error: Error): boolean {
  return 'syscall' in error && SOCKET_CALLS.has(error.syscall);
}

const SOCKET_CALLS: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);
/** A certificate that ran out, a proxy that answers in the server's place: nothing the statement could help. */
const TLS_CODES = /^(ERR_TLS_|ERR_SSL_|CERT_|EPROTO$|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;

/** The code of a PostgreSQL error (SQLSTATE) or of a network error; '' if there is none. */
export function sqlState(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

/** Waits that give a restarted server time to come back. */
const WAITS = { firstMs: 100, lastMs: 5_000 };

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Called before each wait, with the attempt that failed (from 1). */
  readonly onRetry?: (error: unknown, attempt: number) => void;
  /** Which errors are transient; by default those of the database. */
  readonly isTransient?: (error: unknown) => boolean;
}

/**
 * Repeats `work` until it succeeds, fails for good, or the signal ends the wait. `work` must have
 * the same effect when run twice: a commit whose answer was lost looks like a failure.
 */
export async function retryTransient<Result>(
  work: () => Promise<Result>,
  { signal, onRetry, isTransient = isTransientDatabaseError }: RetryOptions,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error) || signal.aborted) throw error;
      onRetry?.(error, attempt);
      await jittered(attempt - 1, WAITS, signal).catch(() => {
        // The wait was cut short: report the failure itself.
        throw error;
      });
    }
  }
}
