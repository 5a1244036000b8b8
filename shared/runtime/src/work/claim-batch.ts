import { randomUUID } from 'node:crypto';
import type { Queryable } from '../database/pool.ts';
import { retryTransient, type RetryOptions } from '../database/transaction.ts';
import { type Reopening, reopen } from '../dead-letters/reopen.ts';
import { crashPoint } from './crash-points.ts';
import { type Claim, claim, type StageIdentity } from './dedupe.ts';
import type { Readable } from './read-batch.ts';

/**
 * Claims one pulled batch, what was redriven among it once it is reopened. Tried again for as long as
 * the database is away; the token stays the same, so that a claim whose answer was lost is our own.
 * @returns what became of each, in the order they were given
 */
export async function claimBatch(
  db: Queryable,
  stage: StageIdentity,
  items: readonly Readable[],
  { leaseMs, ...retrying }: RetryOptions & { readonly leaseMs: number },
): Promise<Claim[]> {
  crashPoint('before-claim');
  const token = randomUUID();
  const requests = items.map(({ request }) => request);
  const reopenings = items.flatMap(({ held, request }): Reopening[] => {
    const { redrives } = held.message;
    return redrives === 0 ? [] : [{ ...request, redrives }];
  });
  return await retryTransient(async () => {
    if (reopenings.length > 0) await reopen(db, stage, reopenings);
    return await claim(db, stage, requests, token, leaseMs);
  }, retrying);
}
