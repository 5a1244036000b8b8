import { randomUUID } from 'node:crypto';
import { crashPoint, type Queryable } from '@memfleet/runtime';
import { type Claim, claim } from '../claims/dedupe.ts';
import { reopen, type Reopening } from '../dead-letters/reopen.ts';
import type { StageIdentity } from '../stage.ts';
import type { Readable } from './read-batch.ts';

/**
 * The claim of one pulled batch, what was redriven among it once it is reopened. It may be tried again:
 * the token stays the same, so that a claim whose answer was lost is our own.
 * @returns what tries it, and says what became of each, in the order they were given
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
