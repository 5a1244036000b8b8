import { randomUUID } from 'node:crypto';
import { crashPoint, isServerError, isTransientDatabaseError, messageOf } from '@memfleet/runtime';
import { type Claim, claim } from '../claims/dedupe.ts';
import { reopen, type Reopening } from '../dead-letters/reopen.ts';
import type { ReadJob } from '../job.ts';
import { backoffMs } from './backoff.ts';
import { giveBack } from './give-back.ts';
import { persistently } from './persistently.ts';
import type { Running } from './running.ts';

export type ClaimRun = Pick<
  Running,
  'log' | 'output' | 'pool' | 'progress' | 'settings' | 'shutdown' | 'slots' | 'stage'
>;

/**
 * Claims events in the dedupe table, all of a batch in one round trip. Where the database refuses the claim
 * of one of them, its neighbours are claimed without it; what cannot be claimed is given back.
 * @returns what each claim found, in groups, each as soon as it is claimed
 */
export async function* claimBatch(
  run: ClaimRun,
  jobs: readonly ReadJob[],
): AsyncGenerator<(readonly [ReadJob, Claim])[]> {
  if (jobs.length === 0) return;
  const { log, shutdown } = run;
  let claims: Claim[];
  try {
    claims = await claimTogether(run, jobs);
  } catch (error) {
    const isOfOne = !isTransientDatabaseError(error) && !shutdown.stop.aborted;
    if (isOfOne && jobs.length > 1) {
      const middle = Math.ceil(jobs.length / 2);
      yield* claimBatch(run, jobs.slice(0, middle));
      yield* claimBatch(run, jobs.slice(middle));
      return;
    }
    const reason = messageOf(error);
    log.error(
      { events: jobs.length, reason },
      'a batch could not be claimed, it will be redelivered',
    );
    for (const job of jobs) {
      const afterMs = shutdown.stop.aborted ? 0 : backoffMs(job.message.info.deliveryCount);
      giveBack(run, [job], afterMs);
    }
    return;
  }
  yield jobs.map((job, index) => [job, claims[index] ?? { kind: 'leased' }]);
}

/**
 * Reopens the redriven events of a batch, then claims all of it, for as long as the database is away. The
 * token stays the same, so a claim whose answer was lost is recognised as our own.
 */
async function claimTogether(run: ClaimRun, jobs: readonly ReadJob[]): Promise<Claim[]> {
  const { stage, pool, settings, log, progress, output: gate, shutdown } = run;
  crashPoint('before-claim');
  const token = randomUUID();
  const requests = jobs.map(({ request }) => request);
  const reopenings = jobs.flatMap(({ message: { redrives }, request }): Reopening[] =>
    redrives === 0 ? [] : [{ ...request, redrives }],
  );
  const once = async (): Promise<Claim[]> => {
    if (reopenings.length > 0) await reopen(pool, stage, reopenings);
    const askedAt = performance.now();
    const claims = await claim(pool, stage, requests, token, settings.lease);
    if (performance.now() - askedAt < settings.lease) return claims;
    // The answer came later than its lease, as to a process that was stopped meanwhile. Others may have the
    // events by now, and calls for them would be paid twice.
    return await claim(pool, stage, requests, token, settings.lease);
  };
  return await persistently(once, {
    gate,
    signal: shutdown.stop,
    what: 'events cannot be claimed',
    isItsFault: isServerError,
    onRetry: (error, attempt) => {
      const reason = messageOf(error);
      progress.troubled('database', reason);
      log.warn({ attempt, reason }, 'events could not be claimed, trying again');
    },
  });
}
