import { eventKey, payloadDigest, publishSubject } from '@memfleet/events';
import { pull } from '@memfleet/runtime';
import { DEAD_LETTER_HEADERS, findLetter, park, requeueLetter } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { parkMessage } from '../../shared/stages/src/dead-letters/dead-letter.ts';
import {
  createDeadLetterBench,
  type Handler,
  NAME,
  parkAll,
  works,
} from '../integration/dead-letters/bench.ts';
import { memoryCreated } from '../support/events.ts';
import { readLog } from '../support/log-stream.ts';
import { until } from '../support/until.ts';

const poisoned: Handler = async () => park('invalid_output', 'the answer is no JSON');

const notes = (count: number) =>
  Array.from({ length: count }, (_, index) => memoryCreated(`note ${index}`));

test('a parked event is listed, shown, and takes effect once when the code is fixed', async () => {
  await using bench = await createDeadLetterBench();
  const [bad, good] = [memoryCreated('poison', { memory: 'm-1' }), memoryCreated('fine')];
  await parkAll(bench, [good, bad], async (event, context) => {
    if (event.id === bad.id) return await poisoned(event, context);
    return { kind: 'done', events: [] };
  });
  const letters = await bench.letters();
  expect(letters).toMatchObject([
    {
      id: 1,
      stage: NAME,
      stageVersion: 1,
      tenant: 'acme',
      memory: 'm-1',
      eventId: bad.id,
      correlationId: bad.correlationid,
      reason: 'invalid_output',
      message: 'the answer is no JSON',
      attempts: 1,
      redrives: 0,
      logSequence: 2,
      bytes: JSON.stringify(bad).length,
    },
  ]);
  const shown = await bench.cli('show', '1', '--json');
  expect(JSON.parse(shown.stdout)).toMatchObject({
    ...letters[0],
    raw: JSON.stringify(bad),
    rawEncoding: 'utf8',
    headers: { [DEAD_LETTER_HEADERS.sequence]: ['2'] },
    event: { id: bad.id, data: { content: 'poison' } },
  });
  const text = await bench.cli('show', '1');
  expect(text.stdout).toContain(`original bytes:\n${JSON.stringify(bad)}\n`);
  expect(text.stdout).toContain("as today's schema reads it:");

  const sequences: number[] = [];
  const fixed = bench.start(async (event, context) => {
    sequences.push(context.sequence);
    return await works(event, context);
  });
  const redriven = await bench.cli('redrive', '1', '--json');
  expect(redriven).toMatchObject({ code: 0 });
  expect(JSON.parse(redriven.stdout)).toEqual({
    dryRun: false,
    redriven: 1,
    repeated: 0,
    refused: 0,
    byReason: { invalid_output: 1 },
  });
  await until('it took effect', async () => (await bench.derived()) === 1);
  await bench.settled();
  expect(fixed.calls).toEqual([bad.id]);
  // As if it came from the log: the derived event names that position as its cause.
  expect(sequences).toEqual([2]);
  const [, , derived] = await readLog(bench.fleet.broker.connection, bench.fleet.config.log);
  expect(JSON.parse(Buffer.from(derived?.bytes ?? []).toString())).toMatchObject({
    causationid: bad.id,
    data: { cause: { id: bad.id, sequence: 2 } },
  });
  expect(await bench.letters()).toEqual([]);
  expect(await bench.work()).toMatchObject([
    { event_id: good.id, redrives: 0 },
    { event_id: bad.id, state: 'done', reason: null, attempts: 0, redrives: 1, published: true },
  ]);
  const again = await bench.cli('redrive', '1');
  expect(again.code).toBe(1);
  expect(again.stderr).toContain('there is no dead letter 1 (any more)');
});

test('an event that fails again becomes a dead letter with a new id, after a full set of attempts', async () => {
  await using bench = await createDeadLetterBench();
  const [event] = notes(1);
  if (event === undefined) throw new Error('no event');
  await bench.publish(event);
  const failing = bench.start(async () => ({
    kind: 'retry',
    afterMs: 0,
    cause: 'not yet',
    countsAsAttempt: true,
  }));
  await until('it is parked', async () => (await bench.ids()).length === 1);
  expect((await bench.letters())[0]).toMatchObject({ id: 1, reason: 'attempts_exhausted' });
  const { maxAttempts } = bench.fleet.config.stages.extraction;
  expect(failing.calls).toHaveLength(maxAttempts);
  await bench.cli('redrive', '--all');
  await until('it is parked again', async () => (await bench.ids())[0] === 2);
  await bench.settled();
  expect(failing.calls).toHaveLength(2 * maxAttempts);
  const letters = await bench.letters();
  expect(letters).toMatchObject([
    { id: 2, eventId: event.id, logSequence: 1, redrives: 1, reason: 'attempts_exhausted' },
  ]);
  await failing[Symbol.asyncDispose]();
  const fixed = bench.start();
  await bench.cli('redrive', '2');
  await until('it took effect', async () => (await bench.derived()) === 1);
  await bench.settled();
  expect(fixed.calls).toEqual([event.id]);
  expect(await bench.letters()).toEqual([]);
  expect(await bench.work()).toMatchObject([{ state: 'done', redrives: 2 }]);
});

test('redriven by two commands at once, every event takes effect once', async () => {
  await using bench = await createDeadLetterBench();
  const events = notes(150);
  await parkAll(bench, events, poisoned);
  const fixed = bench.start();
  const results = await Promise.all([
    bench.cli('redrive', '--all', '--json'),
    bench.cli('redrive', '--reason', 'invalid_output', '--json'),
  ]);
  const counts = results.map(
    ({ stdout }) => JSON.parse(stdout) as { redriven: number; repeated: number },
  );
  expect(counts.reduce((sum, { redriven }) => sum + redriven, 0)).toBe(150);
  await until('all took effect', async () => (await bench.derived()) === 150);
  await bench.settled();
  expect(fixed.calls.toSorted()).toEqual(events.map(({ id }) => id).toSorted());
  expect(await bench.letters()).toEqual([]);
  expect(await bench.derived()).toBe(150);
});

test('a crash between the queue and the removal doubles nothing, within and after the window', async () => {
  await using bench = await createDeadLetterBench({ 'deadLetters.duplicateWindow': '1s' });
  const { config, broker } = bench.fleet;
  const [event] = notes(1);
  if (event === undefined) throw new Error('no event');
  await parkAll(bench, [event], poisoned);
  const letter = await findLetter(broker.jsm, config, 1);
  if (letter === undefined) throw new Error('no letter');
  // The event is in the queue, the letter is still there.
  expect(await requeueLetter(broker.connection, config, letter)).toBe(true);
  expect(await requeueLetter(broker.connection, config, letter)).toBe(false);
  expect(await bench.queued()).toBe(1);
  const fixed = bench.start();
  await until('it took effect', async () => (await bench.derived()) === 1);
  await bench.settled();
  // The server has forgotten the Msg-Id: the event is queued a second time.
  await until('the window is over', () => requeueLetter(broker.connection, config, letter));
  await until('it is gone from the queue', async () => (await bench.queued()) === 0);
  await until('it was recognised', () => (fixed.progress.counts['repeated'] ?? 0) > 0);
  const { stdout } = await bench.cli('redrive', '1', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ refused: 0 });
  await bench.settled();
  expect(fixed.calls).toEqual([event.id]);
  expect([await bench.derived(), (await bench.ids()).length]).toEqual([1, 0]);
});

test('the same redrive delivered again, after it was parked again, makes no second letter', async () => {
  await using bench = await createDeadLetterBench({ 'deadLetters.duplicateWindow': '1s' });
  const { config, broker } = bench.fleet;
  const [event] = notes(1);
  if (event === undefined) throw new Error('no event');
  await parkAll(bench, [event], poisoned);
  const letter = await findLetter(broker.jsm, config, 1);
  if (letter === undefined) throw new Error('no letter');
  const failing = bench.start(poisoned);
  await bench.cli('redrive', '1');
  await until('it is parked again', async () => (await bench.ids())[0] === 2);
  await bench.settled();
  await until('the window is over', () => requeueLetter(broker.connection, config, letter));
  await until('it is gone from the queue', async () => (await bench.queued()) === 0);
  await bench.settled();
  expect(failing.calls).toEqual([event.id]);
  expect(await bench.ids()).toEqual([2]);
});

test('a redelivery from the log of a parked and recorded event makes no second letter', async () => {
  await using bench = await createDeadLetterBench({ 'deadLetters.duplicateWindow': '1s' });
  const { config, broker } = bench.fleet;
  const events = notes(3);
  await parkAll(bench, events, poisoned);
  const stage = bench.start(poisoned);
  // The server's own memory of the letters is over before the log is delivered again.
  await until('the window is over', async () => {
    const letter = await findLetter(broker.jsm, config, 1);
    if (letter === undefined) throw new Error('no letter');
    return Date.now() - letter.parkedAt.getTime() > 2_000;
  });
  await broker.jsm.consumers.reset(config.log.stream, NAME, 1);
  await until('all were seen again', () => stage.progress.processed === 3);
  await bench.settled();
  expect(stage.calls).toEqual([]);
  expect(await bench.ids()).toEqual([1, 2, 3]);
});

test('an event that an older version could not read takes effect once', async () => {
  await using bench = await createDeadLetterBench({ 'deadLetters.duplicateWindow': '1s' });
  const { config, broker } = bench.fleet;
  const [event] = notes(1);
  if (event === undefined) throw new Error('no event');
  await bench.publish(event);
  // Like a worker that does not know the type: a letter, and no row.
  const batches = pull(await broker.jetstream.consumers.get(config.log.stream, NAME), {
    connection: broker.connection,
    batch: 1,
    lingerMs: 0,
    room: async () => ({ count: 1 }),
    signal: new AbortController().signal,
  });
  for await (const {
    messages: [message],
  } of batches) {
    if (message === undefined) continue;
    await parkMessage(broker.connection, config, message, {
      stage: NAME,
      stageVersion: 1,
      reason: 'unknown_type',
      message: 'unknown event type',
      attempts: 0,
      eventId: event.id,
      correlationId: event.correlationid,
      traceparent: undefined,
    });
    await message.term('unknown_type');
    break;
  }
  const letter = await findLetter(broker.jsm, config, 1);
  if (letter === undefined) throw new Error('no letter');
  const fixed = bench.start();
  await bench.cli('redrive', '--reason', 'unknown_type');
  await until('it took effect', async () => (await bench.derived()) === 1);
  expect(await bench.work()).toMatchObject([{ state: 'done', redrives: 1 }]);
  await until('the window is over', () => requeueLetter(broker.connection, config, letter));
  await until('it is gone from the queue', async () => (await bench.queued()) === 0);
  expect(fixed.calls).toEqual([event.id]);
  expect(await bench.derived()).toBe(1);
});

test('bytes that are still no event are parked again unchanged, with the number of redrives', async () => {
  await using bench = await createDeadLetterBench();
  const { config, broker } = bench.fleet;
  const subject = publishSubject(config.log.root, 'acme', 'note', 'content', 'created');
  const broken = new Uint8Array([0xff, 0x00, 0x7b, 0x22]);
  await broker.jetstream.publish(subject, broken);
  bench.start();
  await until('it is parked', async () => (await bench.ids()).length === 1);
  const shown = JSON.parse((await bench.cli('show', '1', '--json')).stdout) as unknown;
  expect(shown).toMatchObject({
    raw: Buffer.from(broken).toString('base64'),
    rawEncoding: 'base64',
    event: null,
    problem: 'the bytes are not UTF-8',
    eventId: null,
  });
  await bench.cli('redrive', '1');
  await until('it is parked again', async () => (await bench.ids())[0] === 2);
  await bench.settled();
  expect(await bench.letters()).toMatchObject([
    { id: 2, reason: 'invalid_event', redrives: 1, logSequence: 1, tenant: 'acme', bytes: 4 },
  ]);
  const letter = await findLetter(broker.jsm, config, 2);
  expect(new Uint8Array(letter?.data ?? [])).toEqual(broken);
  expect(await bench.work()).toEqual([]);
});

test('an event too large to copy is redriven with the bytes of the log', async () => {
  await using bench = await createDeadLetterBench();
  const { config, broker } = bench.fleet;
  const limit = broker.connection.info?.max_payload ?? 0;
  // Like a publisher with its own limits: the server accepts it, but a letter cannot hold it.
  const event = memoryCreated('x', { data: { content: 'x'.repeat(1_000) } });
  const bytes = Buffer.from(JSON.stringify(event).padEnd(limit - 200, ' '));
  const subject = publishSubject(config.log.root, 'acme', 'note', 'content', 'created');
  await broker.jetstream.publish(subject, bytes);
  const failing = bench.start(poisoned);
  await until('it is parked', async () => (await bench.ids()).length === 1);
  await bench.settled();
  await failing[Symbol.asyncDispose]();
  expect(await bench.letters()).toMatchObject([{ id: 1, bytes: null }]);
  const shown = JSON.parse((await bench.cli('show', '1', '--json')).stdout) as { raw: string };
  expect(shown.raw).toHaveLength(bytes.length);
  const fixed = bench.start();
  await bench.cli('redrive', '1');
  await until('it took effect', async () => (await bench.derived()) === 1);
  expect(fixed.calls).toEqual([event.id]);
});

test('the first of two payloads under one id counts, even if the second is redriven', async () => {
  await using bench = await createDeadLetterBench();
  const { config, broker } = bench.fleet;
  const event = memoryCreated('the truth');
  const other = { ...event, data: { content: 'something else' } };
  const subject = publishSubject(config.log.root, 'acme', 'note', 'content', 'created');
  await bench.publish(event);
  const stage = bench.start();
  await until('the first took effect', async () => (await bench.derived()) === 1);
  await broker.jetstream.publish(subject, JSON.stringify(other));
  await until('the second is parked', async () => (await bench.ids()).length === 1);
  const { stdout, code } = await bench.cli('redrive', '--all');
  expect(code).toBe(0);
  expect(stdout).toContain('redriven 1');
  expect(stdout).toMatch(/1 of them has another payload .* discard them to remove them/);
  await until('it is parked again', async () => (await bench.ids())[0] === 2);
  await bench.settled();
  expect(stage.calls).toEqual([event.id]);
  expect(await bench.letters()).toMatchObject([{ reason: 'conflicting_payload', redrives: 1 }]);
  expect(await bench.work()).toMatchObject([{ state: 'done', redrives: 0 }]);
  // Discarding concerns the letter, not the stored event that counts.
  await bench.cli('discard', '--all', '--because', 'a copy gone wrong', '--yes');
  expect(await bench.letters()).toEqual([]);
  expect(await bench.work()).toMatchObject([{ state: 'done', reason: null, redrives: 0 }]);
});

test('a newer version of the stage takes the events that the old one parked', async () => {
  await using bench = await createDeadLetterBench({ 'deadLetters.duplicateWindow': '1s' });
  const { config, broker, database } = bench.fleet;
  const [event] = notes(1);
  if (event === undefined) throw new Error('no event');
  await parkAll(bench, [event], poisoned);
  const letter = await findLetter(broker.jsm, config, 1);
  if (letter === undefined) throw new Error('no letter');
  const stillPoisoned = bench.start(poisoned, 2);
  await bench.cli('redrive', '1');
  await until('it is parked again', async () => (await bench.ids())[0] === 2);
  await bench.settled();
  await until('the window is over', () => requeueLetter(broker.connection, config, letter));
  await until('it is gone from the queue', async () => (await bench.queued()) === 0);
  // The new version's row has the redrive number too.
  expect(stillPoisoned.calls).toHaveLength(1);
  expect(await bench.letters()).toMatchObject([{ id: 2, stageVersion: 2, redrives: 1 }]);
  const { rows } = await database.pool.query(
    `select stage_version, state, redrives, payload_digest = $2 as same
     from memfleet.stage_work where event_key = $1 order by stage_version`,
    [eventKey(event), payloadDigest(event)],
  );
  expect(rows).toEqual([
    { stage_version: 1, state: 'parked', redrives: 0, same: true },
    { stage_version: 2, state: 'parked', redrives: 1, same: true },
  ]);
});
