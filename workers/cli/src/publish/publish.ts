import { Publisher } from '@memfleet/events';
import { RuntimeError, streamInfo } from '@memfleet/runtime';
import { CommandError } from '../failure.ts';
import { type Broker, type Database, openBroker, openDatabase } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { printJson, printLine } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { openInput } from './input.ts';
import { type Counts, PublishRun } from './run.ts';
import { StoredEvents } from './stored-events.ts';

/** Attempts per event while NATS does not answer: about ten minutes of waiting. */
const ATTEMPTS = 100;
/** How long an interrupted run waits for appends in progress. */
const DRAIN_MS = 5_000;
/** JSON may spell one byte of data in six ("\u0041"), and the envelope comes on top. */
const LINE_BYTES_PER_DATA_BYTE = 8;

export async function publish(
  globals: Globals,
  file: string,
  options: { readonly strict: boolean; readonly source: string },
): Promise<void> {
  const signal = interruptSignal();
  await using input = await openInput(file, { rereadable: options.strict, signal });
  await using broker = await openBroker(globals, 'publish');
  await streamInfo(broker.jsm, broker.config.log.stream);
  const bar = new ProgressBar({
    label: 'publishing',
    total: input.size,
    plainLines: !globals.json,
  });
  await using database = await databaseOf(globals, bar);
  const publisher = publisherOf(broker);
  const run = new PublishRun({
    ...options,
    signal,
    bar,
    publisher,
    stored: storedEvents(broker, database, { publisher, signal, bar }),
    maxLineBytes: broker.config.log.maxDataBytes * LINE_BYTES_PER_DATA_BYTE + 64 * 1024,
  });
  void tellOfConnection(broker, bar);
  using _cutShort = closeWhenStuck(broker, signal);
  try {
    if (options.strict) await run.check(input.chunks(signal));
    if (!options.strict || run.counts.rejected === 0) await run.publish(input.chunks(signal));
  } finally {
    bar.end();
    await report(globals, run.counts);
  }
  if (signal.aborted) {
    throw new CommandError(
      `interrupted after line ${run.lastLine}`,
      'Run it again to continue: it leaves out events that are in the log already.',
    );
  }
  if (run.counts.rejected > 0) process.exitCode = 1;
}

async function report(globals: Globals, counts: Counts): Promise<void> {
  if (globals.json) {
    await printJson(counts);
    return;
  }
  const { published, duplicates, rejected } = counts;
  await printLine(`published ${published}, duplicates ${duplicates}, rejected ${rejected}`);
}

function publisherOf({ config, connection }: Broker): Publisher {
  const { log, broker } = config;
  return new Publisher(connection, {
    log: { stream: log.stream, root: log.root },
    limits: { maxDataBytes: log.maxDataBytes, maxAheadMs: log.maxAhead },
    ackTimeoutMs: broker.requestTimeout,
    attempts: ATTEMPTS,
  });
}

/** A publisher may run where it cannot reach the database, and does not need it. */
async function databaseOf(globals: Globals, bar: ProgressBar): Promise<Database | undefined> {
  try {
    return await openDatabase(globals, 'publish');
  } catch (error) {
    if (!(error instanceof RuntimeError) || error.code !== 'DATABASE_UNREACHABLE') throw error;
    bar.note(withoutDatabase(error.message));
    return undefined;
  }
}

function storedEvents(
  { jsm, config }: Broker,
  database: Database | undefined,
  run: { readonly publisher: Publisher; readonly signal: AbortSignal; readonly bar: ProgressBar },
): StoredEvents | undefined {
  if (database === undefined) return undefined;
  return new StoredEvents({
    pool: database.pool,
    jsm,
    stream: config.log.stream,
    publisher: run.publisher,
    signal: run.signal,
    onTrouble: (reason) => run.bar.note(withoutDatabase(reason)),
  });
}

function withoutDatabase(reason: string): string {
  return `memfleet: continuing without the database (${reason}): events published before the duplicate window are stored again, and still take effect once`;
}

/** Waits for a lost connection, and shows that on the bar. */
async function tellOfConnection({ connection }: Broker, bar: ProgressBar): Promise<void> {
  for await (const { type } of connection.status()) {
    if (type === 'disconnect') {
      bar.note('memfleet: the connection to NATS is lost; waiting for it, no event is lost');
    } else if (type === 'reconnect') bar.note('memfleet: the connection to NATS is back');
  }
}

/** After an interrupt, waits for appends in progress, but not for an unreachable server. */
function closeWhenStuck({ connection }: Broker, signal: AbortSignal): Disposable {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    timer = setTimeout(() => void connection.close(), DRAIN_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return {
    [Symbol.dispose]() {
      signal.removeEventListener('abort', onAbort);
      clearTimeout(timer);
    },
  };
}
