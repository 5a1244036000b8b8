import { messageOf } from '@memfleet/runtime';
import { markPublished } from '../claims/dedupe.ts';
import type { RecordedJob } from '../job.ts';
import { persistently } from './persistently.ts';
import type { Running } from './running.ts';

/**
 * Notes in the dedupe table that results are out. It retries for as long as the database is away: an event
 * that is acked and not marked would keep its result, and count as not known to be published, for ever.
 * @returns whether all are marked
 */
export async function mark(
  run: Pick<Running, 'log' | 'output' | 'pool' | 'shutdown' | 'stage'>,
  jobs: readonly RecordedJob[],
): Promise<boolean> {
  const { stage, pool, log, output: gate, shutdown } = run;
  const published = jobs.flatMap(({ recorded: { key, redrives, events, parked } }) =>
    key === undefined || (events.length === 0 && parked === undefined) ? [] : [{ key, redrives }],
  );
  if (published.length === 0) return true;
  try {
    await persistently(() => markPublished(pool, stage, published), {
      gate,
      signal: shutdown.end,
      what: 'published events cannot be marked',
      isItsFault: () => true,
      onRetry: (error, attempt) => {
        const reason = messageOf(error);
        log.warn({ attempt, reason }, 'published events could not be marked, trying again');
      },
    });
    return true;
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'published events could not be marked');
    return false;
  }
}
