import { setTimeout as delay } from 'node:timers/promises';
import { type Client, messageOf, sqlState } from '@memfleet/runtime';

/**
 * Shorter than PostgreSQL's deadlock check (1 s by default): when a reader and a change of the views
 * wait for each other, the change gives up. Readers that queue up behind it wait no longer than this.
 */
const LOCK_MS = 200;

export interface GiveWay<Result> {
  readonly signal: AbortSignal;
  /** How long to keep trying, in ms: it waits for a long query on a view, but never with locks held. */
  readonly limitMs: number;
  readonly onRetry: (reason: string) => void;
  readonly isWorthARetry: (error: unknown) => boolean;
  /** Decides when the time is over: throws, unless the last attempt has succeeded after all. */
  readonly onTimeout: (reason: string, attempt: number) => Promise<Result>;
}

/** Run it first in a transaction that changes views. */
export async function limitLockWaits(client: Client): Promise<void> {
  await client.query(`set local lock_timeout = ${LOCK_MS}`);
}

/** Retries `work` until it succeeds or the time is over, and lets readers pass between two tries. */
export async function givingWay<Result>(
  { signal, limitMs, onRetry, isWorthARetry, onTimeout }: GiveWay<Result>,
  work: (attempt: number) => Promise<Result>,
): Promise<Result> {
  const deadline = performance.now() + limitMs;
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      return await work(attempt);
    } catch (error) {
      if (!isWorthARetry(error)) throw error;
      const reason = messageOf(error);
      if (performance.now() > deadline) return await onTimeout(reason, attempt);
      onRetry(reason);
      // Readers that queued up behind the locks get their turn.
      await delay(100 + Math.random() * 200, undefined, { signal });
    }
  }
}

/** Whether only another session's lock was in the way. */
export function isLockWait(error: unknown): boolean {
  return LOCK_CODES.has(sqlState(error));
}

const LOCK_CODES: ReadonlySet<string> = new Set([
  '55P03', // lock not available
  '40P01', // deadlock
]);
