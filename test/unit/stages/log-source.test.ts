import { ProviderGate } from '@memfleet/models';
import { Progress, type Received } from '@memfleet/runtime';
import type { Consumer } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { Admission } from '../../../shared/stages/src/admission/admission.ts';
import { OutputGate } from '../../../shared/stages/src/admission/output-gate.ts';
import { Slots } from '../../../shared/stages/src/admission/slots.ts';
import { logSource } from '../../../shared/stages/src/sources/log-source.ts';
import type { SourceRun } from '../../../shared/stages/src/sources/source.ts';
import { silent } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

const consumer = { info: async () => ({ stream_name: 'LOG', name: 'test' }) };

/** A connection that keeps what is requested, and delivers on command. */
function connecting() {
  const requested: number[] = [];
  let receive: (error: null, message: object) => void = () => undefined;
  const subscription = {
    isClosed: () => false,
    drain: async () => undefined,
    unsubscribe: () => undefined,
  };
  const connection = {
    isClosed: () => false,
    subscribe(_: string, options: { callback: typeof receive }) {
      receive = options.callback;
      return subscription;
    },
    publish(_: string, payload: string) {
      requested.push((JSON.parse(payload) as { batch: number }).batch);
    },
  };
  const deliver = (count: number): void => {
    for (let seq = 1; seq <= count; seq += 1) {
      const reply = `$JS.ACK.LOG.test.1.${seq}.${seq}.0.0`;
      receive(null, { subject: 'memory.0.acme.note.content.created', reply });
    }
  };
  return { connection, requested, deliver };
}

interface Read {
  readonly source: ReturnType<typeof logSource>;
  readonly slots: Slots;
  readonly requested: readonly number[];
  readonly queued: readonly Received[];
  readonly deliver: (count: number) => void;
  readonly stop: () => void;
}

function read(options: { inputs?: number; ahead?: number } = {}): Read {
  const { inputs = 1, ahead } = options;
  const { connection, requested, deliver } = connecting();
  const slots = new Slots(64);
  const end = new AbortController();
  const queued: Received[] = [];
  const run = {
    settings: { batch: 32, linger: 60_000 },
    connection,
    slots,
    inputs,
    turns: true,
    admission: new Admission(new ProviderGate(), new OutputGate()),
    fairness: {
      areTurnsTaken: ahead !== undefined,
      patience: async () => undefined,
      roomAhead: async () => ahead,
      delivered: () => undefined,
      nothingCame: () => undefined,
      putAside: async (messages: readonly Received[]) => void queued.push(...messages),
    },
    progress: new Progress(),
    log: silent,
    shutdown: { stop: end.signal, handBack: end.signal, end: end.signal },
  };
  const source = logSource(run as unknown as SourceRun, consumer as unknown as Consumer);
  return { source, slots, requested, queued, deliver, stop: () => end.abort() };
}

test.each([
  [1, 32],
  [2, 2],
])('of %i inputs of the log, each first requests %i events', async (inputs, first) => {
  const { source, slots, requested, stop } = read({ inputs });
  const next = source.next();
  await until('it has requested', () => requested.length > 0);
  expect(requested).toEqual([first]);
  expect(slots.free).toBe(64 - first);
  stop();
  expect(await next).toEqual({ done: true, value: undefined });
  expect(slots.free).toBe(64);
});

test('while tenants take turns, what it reads is queued and takes no slot', async () => {
  const { source, slots, requested, queued, deliver, stop } = read({ ahead: 3 });
  const next = source.next();
  await until('it has requested', () => requested.length === 1);
  expect([requested, slots.free]).toEqual([[3], 64]);
  deliver(3);
  await until('it requests more', () => requested.length === 2);
  expect([queued.length, slots.size]).toEqual([3, 0]);
  stop();
  expect(await next).toEqual({ done: true, value: undefined });
});

test('at the end, what was requested to be queued is handed out, to be given back', async () => {
  const { source, slots, requested, queued, deliver, stop } = read({ ahead: 3 });
  const next = source.next();
  await until('it has requested', () => requested.length === 1);
  // One is missing, so the batch still waits.
  deliver(2);
  stop();
  expect((await next).value).toHaveLength(2);
  expect([queued.length, slots.size]).toEqual([0, 2]);
  expect(await source.next()).toEqual({ done: true, value: undefined });
});
