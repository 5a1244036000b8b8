import { randomUUID } from 'node:crypto';
import { crashPoint, type Queryable } from '@memfleet/runtime';
import { type Claim, claim } from '../claims/dedupe.ts';
import { reopen, type Reopening } from '../dead-letters/reopen.ts';
import type { StageIdentity } from '../stage.ts';
import type { Readable } from './read-batch.ts';

/**
 * Claims one pulled batch, after it reopens the redriven events in it. The claim can be retried: the
 * token stays the same, so a claim whose answer was lost is recognised as our own.
 * @returns a function that tries it, and returns the result of each event, in the order given
 */
export function claimBatch(
  db: Queryable,
  stage: StageIdentity,
  items: readonly Readable[],
  leaseMs: number,
): () => Promise<Claim[]> {
  crashPoint('before-claim');
  const token = randomUUID();
  const requests = items.map(({ request }) => request);
  const reopenings = items.flatMap(({ held, request }): Reopening[] => {
    const { redrives } = held.message;
    return redrives === 0 ? [] : [{ ...request, redrives }];
  });
  return async () => {
    if (reopenings.length > 0) await reopen(db, stage, reopenings);
    return await claim(db, stage, requests, token, leaseMs);
  };
}
