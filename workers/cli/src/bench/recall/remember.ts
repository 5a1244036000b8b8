import { EventError, type Publisher } from '@memfleet/events';
import type { BuiltInConfig } from '@memfleet/fleet';
import { PROJECTIONS, waitFor } from '@memfleet/projections';
import { type JetStreamManager, type Pool, streamInfo } from '@memfleet/runtime';
import { caughtUp, type Waiting } from '../../demo/backlog.ts';
import { whatWasLearnt } from '../../demo/learnt.ts';
import { CommandError } from '../../failure.ts';
import { startBenchWorker } from '../bench-worker.ts';
import type { ThrowAwayFleet } from '../throw-away-fleet.ts';
import type { CorpusEvent } from './corpus.ts';

/** Small enough that even the largest events fit into one atomic batch. */
const BATCH = 100;

/**
 * Sends events down the usual path: into the log, through the workers for extraction and embedding, into
 * the read models. Returns when all of them can be read and the workers have stopped.
 * @throws CommandError when the fleet gives up on an event
 */
export async function rememberAll(
  fleet: ThrowAwayFleet,
  events: readonly CorpusEvent[],
  { bar, signal }: Pick<Waiting, 'bar' | 'signal'>,
): Promise<void> {
  await using extraction = await startBenchWorker('extraction', fleet);
  await using embedding = await startBenchWorker('embedding', fleet);
  await using projection = await startBenchWorker('projection', fleet);
  const workers = [extraction, embedding, projection];
  const checkAlive = (): void => {
    for (const worker of workers) worker.checkAlive();
  };
  await appendInOrder(fleet.publisher, events, signal);
  await allReadable(fleet, { bar, signal, checkAlive });
}

/** Keeps the turns of a conversation in the order of the file. */
export async function appendInOrder(
  publisher: Publisher,
  events: readonly CorpusEvent[],
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < events.length; start += BATCH) {
    signal.throwIfAborted();
    const some = events.slice(start, start + BATCH);
    try {
      await publisher.appendBatch(some.map(({ event }) => event));
    } catch (error) {
      if (!(error instanceof EventError)) throw error;
      const [first, last] = [some[0]?.line, some.at(-1)?.line];
      throw new CommandError(
        `the log refused lines ${first} to ${last} of events.jsonl: ${error.message}`,
        'Correct the event.',
      );
    }
  }
}

interface Readable {
  readonly jsm: JetStreamManager;
  readonly pool: Pool;
  readonly config: BuiltInConfig;
}

/**
 * Waits until all events in the log, including those that the stages derive, are in the read models.
 * @throws CommandError when the fleet gives up on an event
 */
export async function allReadable(
  { jsm, pool, config }: Readable,
  waiting: Waiting,
): Promise<void> {
  const { bar, signal } = waiting;
  await caughtUp(jsm, config, waiting).finally(() => bar.end());
  const { state } = await streamInfo(jsm, config.log.stream);
  await Promise.all(PROJECTIONS.map(({ name }) => waitFor(pool, name, state.last_seq, { signal })));
  const { parked } = await whatWasLearnt(pool);
  if (parked > 0) {
    const what = parked === 1 ? '1 event was' : `${parked} events were`;
    throw new CommandError(
      `the workers gave up: ${what} not processed`,
      'Publish the events to a fleet of your own, and see `memfleet dead-letters list`.',
    );
  }
  // On a live database autovacuum does this; without statistics the plans are guesses.
  await pool.query('analyze');
}
