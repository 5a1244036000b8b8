import { type Decoded, registry } from '@memfleet/events';
import { DEAD_LETTER_HEADERS, type Outcome, park, type Stage } from '@memfleet/stages';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { Slots } from '../../../shared/stages/src/admission/slots.ts';
import { Heartbeat } from '../../../shared/stages/src/pipeline/heartbeat.ts';
import type { Reader } from '../../../shared/stages/src/pipeline/read.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { createStageBench, silent, type StageBench } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

const IDENTITY = { name: 'test', version: 1 };
/** The position among its neighbours of the event that goes wrong. */
const BAD = 3;
const EVENTS = 6;

/** Errors that nobody caught: in a process of its own, each would end the process. */
const uncaught: unknown[] = [];
const onUncaught = (error: unknown): void => void uncaught.push(error);
beforeEach(() => {
  uncaught.length = 0;
  process.on('unhandledRejection', onUncaught);
});
afterEach(() => {
  process.off('unhandledRejection', onUncaught);
  if (uncaught.length > 0) throw new Error('a promise was rejected that nobody waits for');
});

/** Thrown values without a message, or with one that cannot be read. */
const THROWN: [string, unknown][] = [
  ['an error', new TypeError('x is not a function')],
  ['a string', 'just a string'],
  ['nothing', undefined],
  ['an object without a text', Object.create(null)],
  [
    'an error whose message throws',
    Object.defineProperty(new Error('hidden'), 'message', {
      get: () => {
        throw new Error('no message');
      },
    }),
  ],
];

async function publish(bench: StageBench): Promise<void> {
  await bench.publish(
    ...Array.from({ length: EVENTS }, (_, index) => memoryCreated(`note ${index}`)),
  );
}

function isBad(decoded: Decoded): boolean {
  return decoded.kind === 'known' && JSON.stringify(decoded.event).includes(`note ${BAD - 1}`);
}

/** A stage in which one event goes wrong. */
function stageWith(bad: (event: Parameters<Stage['handle']>[0]) => unknown): Stage {
  return {
    ...IDENTITY,
    // Not an async function: its errors are thrown, not rejected.
    handle(event, { sequence }) {
      if (sequence === BAD) return bad(event) as Promise<Outcome>;
      return Promise.resolve({
        kind: 'done',
        events: [nothingExtracted(event, sequence, IDENTITY)],
      });
    },
  };
}

/** The result of the events; each letter as its reason and the position of its event. */
async function endOf(bench: StageBench): Promise<Record<string, unknown>> {
  await bench.settled();
  const { stream } = bench.config.deadLetters;
  const letter = await bench.broker.jsm.streams.getMessage(stream, { seq: 1 });
  return {
    derived: await bench.derived(),
    letters: await bench.deadLetters(),
    reason: letter?.header.get(DEAD_LETTER_HEADERS.reason),
    sequence: letter?.header.get(DEAD_LETTER_HEADERS.sequence),
  };
}

/** All are done but the bad one, which is parked for this reason. */
function onlyOneParked(reason: string): Record<string, unknown> {
  return { derived: EVENTS - 1, letters: 1, reason, sequence: String(BAD) };
}

test.each(THROWN)('reading that throws %s parks that event', async (_, thrown) => {
  await using bench = await createStageBench();
  await publish(bench);
  const reader: Reader = {
    decode(bytes, stored): Decoded {
      const decoded = registry.decode(bytes, stored);
      if (isBad(decoded)) throw thrown;
      return decoded;
    },
  };
  const stage = stageWith(() => Promise.resolve(park('invalid_input', 'must not be handled')));
  const { progress } = bench.start(stage, { reader });
  expect(await endOf(bench)).toEqual(onlyOneParked('invalid_event'));
  expect(await bench.work()).toHaveLength(EVENTS - 1);
  expect(progress.inFlight).toBe(0);
});

test('an event that throws when it is looked at parks that event', async () => {
  await using bench = await createStageBench();
  await publish(bench);
  const reader: Reader = {
    decode(bytes, stored): Decoded {
      const decoded = registry.decode(bytes, stored);
      if (decoded.kind !== 'known' || !isBad(decoded)) return decoded;
      const envelope = { ...decoded.envelope };
      Object.defineProperty(envelope, 'tenantid', {
        get: () => {
          throw new Error('no tenant');
        },
      });
      return { ...decoded, envelope };
    },
  };
  bench.start(
    stageWith(() => Promise.resolve(park('invalid_input', 'must not be handled'))),
    { reader },
  );
  expect(await endOf(bench)).toEqual(onlyOneParked('invalid_event'));
});

test.each(THROWN)('a handler that throws %s, at once, harms its event alone', async (_, thrown) => {
  await using bench = await createStageBench({ 'stages.extraction.maxAttempts': '1' });
  await publish(bench);
  bench.start(
    stageWith(() => {
      throw thrown;
    }),
  );
  expect(await endOf(bench)).toEqual(onlyOneParked('attempts_exhausted'));
});

test.each<[string, string, (event: Parameters<Stage['handle']>[0]) => unknown]>([
  ['nothing', 'attempts_exhausted', () => undefined],
  ['a word', 'attempts_exhausted', () => Promise.resolve('done')],
  ['an outcome of no kind', 'attempts_exhausted', () => Promise.resolve({ kind: 'finished' })],
  ['done without its events', 'attempts_exhausted', () => Promise.resolve({ kind: 'done' })],
  ['no reason', 'attempts_exhausted', () => Promise.resolve({ kind: 'park', message: 'so' })],
  ['no time', 'attempts_exhausted', () => Promise.resolve({ kind: 'retry', cause: 'so' })],
  [
    'an outcome that throws',
    'attempts_exhausted',
    () => ({
      get kind() {
        throw new Error('no kind');
      },
    }),
  ],
  [
    'an event that is no JSON',
    'invalid_output',
    (event) => {
      const derived = nothingExtracted(event, BAD, IDENTITY);
      return Promise.resolve({
        kind: 'done',
        events: [{ ...derived, data: { ...derived.data, more: 1n } }],
      });
    },
  ],
  [
    'two events with one id',
    'invalid_output',
    (event) => {
      const derived = nothingExtracted(event, BAD, IDENTITY);
      const other = { ...derived, data: { ...derived.data, empty_reason: 'another' } };
      return Promise.resolve({ kind: 'done', events: [derived, other] });
    },
  ],
  [
    'an event that throws',
    'invalid_output',
    (event) => {
      const derived = nothingExtracted(event, BAD, IDENTITY);
      const events = [
        Object.defineProperty({ ...derived }, 'data', {
          enumerable: true,
          get: () => {
            throw new Error('no data');
          },
        }),
      ];
      return Promise.resolve({ kind: 'done', events });
    },
  ],
])('a handler that returns %s harms its event alone', async (_, reason, bad) => {
  await using bench = await createStageBench({ 'stages.extraction.maxAttempts': '1' });
  await publish(bench);
  bench.start(stageWith(bad));
  expect(await endOf(bench)).toEqual(onlyOneParked(reason));
});

test('a store that throws for several at once is tried in parts, without another call', async () => {
  await using bench = await createStageBench({ 'stages.extraction.linger': '50ms' });
  await publish(bench);
  let [stores, calls] = [0, 0];
  const stage: Stage<string> = {
    ...IDENTITY,
    async handle(event, { sequence }) {
      calls += 1;
      return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)], extra: 'row' };
    },
    persist() {
      stores += 1;
      // oxlint-disable-next-line only-throw-error -- what others throw need be no error
      if (stores === 1) throw 'no store';
      return Promise.resolve();
    },
  };
  bench.start(stage);
  await bench.settled();
  expect(calls).toBe(EVENTS);
  expect(await bench.derived()).toBe(EVENTS);
  expect(await bench.deadLetters()).toBe(0);
});

test('an answer that cannot be sent blocks no other answer', async () => {
  const slots = new Slots(10);
  let beats = 0;
  const message = (working: () => void): Delivery => ({ working }) as unknown as Delivery;
  slots.hold(
    message(() => {
      throw new Error('the connection is closed');
    }),
  );
  slots.hold(message(() => void (beats += 1)));
  const times = { ackWaitMs: 600_000, leaseMs: 600_000, deadlineMs: 600_000 };
  await using bench = await createStageBench();
  const options = { ...times, stage: IDENTITY, slots, db: bench.database.pool, log: silent };
  const heartbeat = new Heartbeat(options);
  await heartbeat.beat();
  expect(beats).toBe(1);
  heartbeat.stop();
});

test('a stage whose connection closes ends with the reason, and does not wait for held events', async () => {
  await using bench = await createStageBench();
  await publish(bench);
  const answer = Promise.withResolvers<void>();
  const running = bench.start({
    ...IDENTITY,
    async handle(event, { sequence }) {
      await answer.promise;
      return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
    },
  });
  await until('all are held', () => running.progress.inFlight === EVENTS);
  await bench.broker.connection.close();
  answer.resolve();
  await expect(running.ended).rejects.toThrow(/closed/i);
  expect(running.progress.inFlight).toBe(0);
});
