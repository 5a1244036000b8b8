import { type Envelope, Publisher, publishSubject } from '@memfleet/events';
import type { Broker } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';
import { openBenchBroker } from './broker.ts';
import { latencyOf } from './latency.ts';
import { measureOf, printMeasure, type Run, timed } from './measure.ts';
import { sampleEvents } from './sample-events.ts';
import { createThrowAwayLog, type ThrowAwayLog } from './throw-away-log.ts';

const WINDOW = 256;
const BATCH = 500;
/** Single appends are slow, and their percentiles are stable after this many. */
const MOST_SINGLE = 5_000;
/** Enough events for the JIT compiler to finish. */
const WARM_UP = 2_000;

/** Measures throughput and latency of the publisher and of the raw client, on one server in one run. */
export async function benchPublish(
  globals: Globals,
  { events: count, bytes }: { readonly events: number; readonly bytes: number },
): Promise<void> {
  await using broker = await openBenchBroker(globals);
  note(`memfleet: warming up, then ${count} events per measure`);
  await run(broker, 'warm-up', sampleEvents(Math.min(WARM_UP, count), bytes));
  const events = sampleEvents(count, bytes);
  const { windowed, batched, single, latencies, raw, rawSingle } = await run(
    broker,
    'publish',
    events,
  );
  const bytesPerEvent = averageBytes(events);
  const settings = { window: WINDOW, replicas: broker.config.log.replicas };
  await printMeasure(
    globals,
    measureOf(windowed, { measure: 'publish-windowed', bytesPerEvent, settings }, raw),
  );
  await printMeasure(
    globals,
    measureOf(
      batched,
      { measure: 'publish-batched', bytesPerEvent, settings: { ...settings, batch: BATCH } },
      raw,
    ),
  );
  await printMeasure(
    globals,
    measureOf(
      single,
      {
        measure: 'publish-single',
        bytesPerEvent,
        ...latencyOf(latencies),
        settings: { ...settings, window: 1 },
      },
      rawSingle,
    ),
  );
}

interface Results {
  readonly windowed: Run;
  readonly batched: Run;
  readonly single: Run;
  readonly latencies: readonly number[];
  readonly raw: Run;
  readonly rawSingle: Run;
}

/** Runs each measure on a stream of its own, so that none finds the events of another. */
async function run(broker: Broker, what: string, events: readonly Envelope[]): Promise<Results> {
  const few = events.slice(0, MOST_SINGLE);
  const latencies: number[] = [];
  const on = async (work: (log: ThrowAwayLog) => Promise<void>, count: number): Promise<Run> => {
    await using log = await createThrowAwayLog(broker);
    return await timed(count, () => work(log));
  };
  if (what === 'publish') note('memfleet: measuring the raw client, then the publisher');
  const rawRun = (): Promise<Run> =>
    on((log) => rawWindowed(rawPublisherOn(broker, log), events), events.length);
  const rawBefore = await rawRun();
  const windowed = await on(async (log) => {
    const publisher = publisherOn(broker, log);
    const options = { window: WINDOW, event: (event: Envelope) => ({ event }) };
    for await (const result of publisher.appendAll(events, options)) {
      if (!result.ok) throw result.error;
    }
  }, events.length);
  const batched = await on(async (log) => {
    const publisher = publisherOn(broker, log);
    for (let at = 0; at < events.length; at += BATCH) {
      await publisher.appendBatch(events.slice(at, at + BATCH));
    }
  }, events.length);
  const rawSingle = await on(async (log) => {
    const publish = rawPublisherOn(broker, log);
    for (const event of few) await publish(event);
  }, few.length);
  const single = await on(async (log) => {
    const publisher = publisherOn(broker, log);
    for (const event of few) {
      const started = performance.now();
      await publisher.append(event);
      latencies.push(performance.now() - started);
    }
  }, few.length);
  // Before and after: the speed of a shared machine changes meanwhile.
  const rawAfter = await rawRun();
  const raw = {
    events: rawBefore.events + rawAfter.events,
    seconds: rawBefore.seconds + rawAfter.seconds,
  };
  return { windowed, batched, single, latencies, raw, rawSingle };
}

function publisherOn({ connection, config }: Broker, { names }: ThrowAwayLog): Publisher {
  return new Publisher(connection, { log: names, ackTimeoutMs: config.broker.requestTimeout });
}

async function rawWindowed(publish: RawPublish, events: readonly Envelope[]): Promise<void> {
  const inFlight: Promise<void>[] = [];
  for (const event of events) {
    inFlight.push(publish(event));
    if (inFlight.length >= WINDOW) await inFlight.shift();
  }
  await Promise.all(inFlight);
}

type RawPublish = (event: Envelope) => Promise<void>;

/** Only what the client itself does: serialise, send, read the server's reply. */
function rawPublisherOn({ jsm }: Broker, { names }: ThrowAwayLog): RawPublish {
  const client = jsm.jetstream();
  return async (event) => {
    const subject = publishSubject(names.root, event.tenantid, event.subject, 'content', 'created');
    await client.publish(subject, JSON.stringify(event));
  };
}

function averageBytes(events: readonly Envelope[]): number {
  const total = events.reduce((sum, event) => sum + Buffer.byteLength(JSON.stringify(event)), 0);
  return Math.round(total / events.length);
}
