import { type Delivery, pull } from '@memfleet/runtime';
import { DEAD_LETTER_HEADERS as NAMES } from '@memfleet/stages';
import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parkMessage } from '../../../shared/stages/src/dead-letters/dead-letter.ts';
import { createStageBench, type StageBench } from '../../support/stage.ts';

let bench: StageBench;
beforeAll(async () => {
  bench = await createStageBench();
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

const LETTER = {
  stage: 'extraction',
  stageVersion: 3,
  reason: 'invalid_output',
  message: 'line one\nline “two”',
  attempts: 5,
  eventId: 'e-1',
  correlationId: 'c-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};

/** Publishes and takes one message. */
async function deliver(bytes: Uint8Array, header?: MsgHdrs): Promise<Delivery> {
  const { log } = bench.config;
  const subject = `${log.root}.acme.note.content.created`;
  await bench.broker.jetstream.publish(
    subject,
    bytes,
    header === undefined ? {} : { headers: header },
  );
  const consumer = await bench.broker.jetstream.consumers.get(log.stream, 'extraction');
  const batches = pull(consumer, {
    connection: bench.broker.connection,
    batch: 1,
    lingerMs: 0,
    room: async () => ({ count: 1 }),
    signal: new AbortController().signal,
  });
  for await (const {
    messages: [message],
  } of batches) {
    if (message === undefined) continue;
    message.ack();
    return message;
  }
  throw new Error('nothing was delivered');
}

async function lastLetter(): Promise<{ subject: string; data: Uint8Array; header: MsgHdrs }> {
  const { stream, root } = bench.config.deadLetters;
  const letter = await bench.broker.jsm.streams.getMessage(stream, { last_by_subj: `${root}.>` });
  if (letter === null) throw new Error('there is no dead letter');
  return letter;
}

test('a dead letter has the original bytes and headers, and says where, why and how often', async () => {
  const header = headers();
  header.set('Nats-Msg-Id', 'of the event');
  header.append('X-Own', 'kept');
  header.append('X-Own', 'twice');
  const bytes = new Uint8Array([0, 255, 10, 13, 123]);
  const message = await deliver(bytes, header);
  await parkMessage(bench.broker.connection, bench.config, message, LETTER);
  const letter = await lastLetter();
  expect(letter.subject).toBe(`${bench.config.deadLetters.root}.extraction.acme.note`);
  expect(new Uint8Array(letter.data)).toEqual(bytes);
  expect(letter.header.values('X-Own')).toEqual(['kept', 'twice']);
  expect(letter.header.get(NAMES.reason)).toBe('invalid_output');
  // A header is one line of printable ASCII, whatever the message contained.
  expect(letter.header.get(NAMES.message)).toBe('line one line  two');
  expect(letter.header.get(NAMES.attempts)).toBe('5');
  expect(letter.header.get(NAMES.stageVersion)).toBe('3');
  expect(letter.header.get(NAMES.sequence)).toBe(String(message.seq));
  expect(letter.header.get(NAMES.subject)).toBe(message.subject);
  expect(letter.header.get(NAMES.eventId)).toBe('e-1');
  expect(letter.header.get('traceparent')).toBe(LETTER.traceparent);
  expect(letter.header.get('Nats-Msg-Id')).not.toBe('of the event');
});

test('parking again after a crash leaves one letter; another stage has its own', async () => {
  const message = await deliver(Buffer.from('{}'));
  const before = await bench.deadLetters();
  await parkMessage(bench.broker.connection, bench.config, message, LETTER);
  await parkMessage(bench.broker.connection, bench.config, message, LETTER);
  expect(await bench.deadLetters()).toBe(before + 1);
  const other = { ...LETTER, stage: 'embedding' };
  await parkMessage(bench.broker.connection, bench.config, message, other);
  expect(await bench.deadLetters()).toBe(before + 2);
  // Redriven, and ended by a redelivery from the log: this is no repetition of the first letter.
  await parkMessage(bench.broker.connection, bench.config, message, { ...LETTER, redrives: 1 });
  expect(await bench.deadLetters()).toBe(before + 3);
  expect((await lastLetter()).header.get(NAMES.redrives)).toBe('1');
});

test('an event as large as the server allows is parked without a copy of its bytes', async () => {
  const limit = bench.broker.connection.info?.max_payload ?? 0;
  const message = await deliver(new Uint8Array(limit - 100).fill(120));
  await parkMessage(bench.broker.connection, bench.config, message, LETTER);
  const letter = await lastLetter();
  expect(letter.data).toHaveLength(0);
  expect(letter.header.get(NAMES.bytes)).toBe('log');
  const original = await bench.broker.jsm.streams.getMessage(bench.config.log.stream, {
    seq: Number(letter.header.get(NAMES.sequence)),
  });
  expect(original?.data).toHaveLength(limit - 100);
});

test('an event larger than the dead-letter stream allows is parked without a copy of its bytes', async () => {
  const { jsm, connection } = bench.broker;
  const { stream } = bench.config.deadLetters;
  const message = await deliver(new Uint8Array(4_000).fill(120));
  await jsm.streams.update(stream, { max_msg_size: 3_000 });
  try {
    await parkMessage(connection, bench.config, message, LETTER);
  } finally {
    await jsm.streams.update(stream, { max_msg_size: -1 });
  }
  const letter = await lastLetter();
  expect(letter.data).toHaveLength(0);
  expect(letter.header.get(NAMES.bytes)).toBe('log');
  expect(letter.header.get(NAMES.sequence)).toBe(String(message.seq));
});

test('a letter that the server refuses is an error, and the event is not lost silently', async () => {
  const message = await deliver(Buffer.from('{}'));
  const config = {
    ...bench.config,
    deadLetters: { ...bench.config.deadLetters, stream: 'ANOTHER' },
  };
  await expect(parkMessage(bench.broker.connection, config, message, LETTER)).rejects.toMatchObject(
    { code: 'DEAD_LETTERS_REFUSED' },
  );
});
