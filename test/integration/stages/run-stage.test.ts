import { randomUUID } from 'node:crypto';
import { publishSubject } from '@memfleet/events';
import { ProviderError } from '@memfleet/models';
import { DEAD_LETTER_HEADERS, park, retry, skip, type Stage } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { counting } from '../../support/counting-stage.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { readLog } from '../../support/log-stream.ts';
import { createStageBench } from '../../support/stage.ts';
import { IDENTITY } from '../../support/storing-stage.ts';
import { until } from '../../support/until.ts';

test('every event is handled once, its result recorded, published and acked', async () => {
  await using bench = await createStageBench();
  const events = Array.from({ length: 50 }, (_, index) => memoryCreated(`note ${index}`));
  await bench.publish(...events);
  const stage = counting();
  bench.start(stage);
  await bench.settled();
  expect(stage.calls.toSorted()).toEqual(events.map(({ id }) => id).toSorted());
  expect(await bench.derived()).toBe(50);
  const rows = await bench.work();
  expect(rows.map(({ event_id }) => event_id)).toEqual(events.map(({ id }) => id));
  expect(rows.every(({ state, published }) => state === 'done' && published)).toBe(true);
});

test('done without events, skip, park and retry each end as they should', async () => {
  await using bench = await createStageBench();
  const [empty, skipped, parked, flaky] = ['empty', 'skip', 'park', 'retry'].map((content) =>
    memoryCreated(content),
  );
  await bench.publish(...[empty, skipped, parked, flaky].filter((event) => event !== undefined));
  const stage = counting(async (event, { attempt }) => {
    if (event.id === skipped?.id) return skip('nothing to do');
    if (event.id === parked?.id) return park('invalid_input', 'cannot be read');
    if (event.id === flaky?.id && attempt === 1) return retry(50, 'not yet');
    return { kind: 'done', events: [] };
  });
  bench.start(stage);
  await bench.settled();
  expect(await bench.work()).toMatchObject([
    { state: 'done', attempts: 0 },
    { state: 'skipped', reason: 'nothing to do' },
    { state: 'parked', reason: 'invalid_input', published: true },
    { state: 'done', attempts: 1 },
  ]);
  expect(stage.calls.filter((id) => id === flaky?.id)).toHaveLength(2);
  expect(await bench.derived()).toBe(0);
  expect(await bench.deadLetters()).toBe(1);
});

test('a redelivery of a finished event calls nothing and publishes nothing', async () => {
  await using bench = await createStageBench();
  await bench.publish(memoryCreated('once'), memoryCreated('twice'));
  const stage = counting();
  {
    await using first = bench.start(stage);
    await bench.settled();
    await first.stop();
  }
  // Redelivers the whole log, as after a reset of the durable.
  await bench.broker.jsm.consumers.reset(bench.config.log.stream, 'extraction', 1);
  const again = bench.start(stage);
  await until('both are seen again', () => again.progress.processed === 2);
  await bench.settled();
  expect(stage.calls).toHaveLength(2);
  expect(await bench.derived()).toBe(2);
});

test('a result that was recorded but not published is published from the record', async () => {
  await using bench = await createStageBench();
  await bench.publish(memoryCreated('a note'), memoryCreated('a bad note'));
  const stage = counting(async (event, { sequence }) =>
    sequence === 1
      ? { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] }
      : park('invalid_input', 'cannot be read'),
  );
  {
    await using first = bench.start(stage);
    await bench.settled();
    await first.stop();
  }
  // The state after a crash between record and publish.
  const [, , derived] = await readLog(bench.broker.connection, bench.config.log);
  const results = {
    done: JSON.stringify([JSON.parse(Buffer.from(derived?.bytes ?? []).toString())]),
    parked: JSON.stringify({ reason: 'invalid_input', message: 'cannot be read', attempts: 1 }),
  };
  await bench.database.pool.query(
    `update memfleet.stage_work set published_at = null,
       result = case state when 'done' then $1 else $2 end`,
    [results.done, results.parked],
  );
  await bench.broker.jsm.consumers.reset(bench.config.log.stream, 'extraction', 1);
  bench.start(stage);
  await bench.settled();
  expect(stage.calls).toHaveLength(2);
  // The ids and Msg-Ids are the same, so each event still exists once.
  expect([await bench.derived(), await bench.deadLetters()]).toEqual([1, 1]);
  expect((await bench.work()).every(({ published }) => published)).toBe(true);
});

test('the same event twice in one batch is handled once', async () => {
  await using bench = await createStageBench({ 'log.duplicateWindow': '1s' });
  const event = memoryCreated('said twice');
  const subject = publishSubject(bench.config.log.root, 'acme', 'note', 'content', 'created');
  const bytes = JSON.stringify(event);
  // Without a Msg-Id, as from a publisher that retries after the duplicate window.
  await bench.broker.jetstream.publish(subject, bytes);
  await bench.broker.jetstream.publish(subject, bytes);
  const stage = counting();
  bench.start(stage);
  await bench.settled();
  expect(stage.calls).toEqual([event.id]);
  expect(await bench.derived()).toBe(1);
});

test('an event in hand is not claimed a second time, although its lease has expired', async () => {
  await using bench = await createStageBench({ 'log.duplicateWindow': '1s' });
  const event = memoryCreated('said twice');
  const subject = publishSubject(bench.config.log.root, 'acme', 'note', 'content', 'created');
  const bytes = JSON.stringify(event);
  await bench.broker.jetstream.publish(subject, bytes);
  const answer = Promise.withResolvers<void>();
  const stage = counting(async (one, { sequence }) => {
    await answer.promise;
    return { kind: 'done', events: [nothingExtracted(one, sequence, IDENTITY)] };
  });
  const { progress } = bench.start(stage);
  await until('it is called', () => stage.calls.length === 1);
  await bench.database.pool.query(
    `update memfleet.stage_work set lease_until = now() - interval '1 hour'`,
  );
  await bench.broker.jetstream.publish(subject, bytes);
  await until('the copy is delivered, and given back', async () => {
    const { delivered } = await bench.broker.jsm.consumers.info(
      bench.config.log.stream,
      'extraction',
    );
    return delivered.stream_seq === 2 && progress.inFlight === 1;
  });
  answer.resolve();
  await bench.settled();
  expect(stage.calls).toEqual([event.id]);
  expect(await bench.work()).toMatchObject([{ state: 'done', abandoned: 0 }]);
});

test('the same id with another payload is parked, and the first one holds', async () => {
  await using bench = await createStageBench();
  const event = memoryCreated('the truth');
  const other = { ...event, data: { content: 'something else' } };
  const subject = publishSubject(bench.config.log.root, 'acme', 'note', 'content', 'created');
  await bench.publish(event);
  const stage = counting();
  bench.start(stage);
  await bench.settled();
  await bench.broker.jetstream.publish(subject, JSON.stringify(other));
  await until('it is parked', async () => (await bench.deadLetters()) === 1);
  await bench.settled();
  expect(stage.calls).toEqual([event.id]);
  const letter = await bench.broker.jsm.streams.getMessage(bench.config.deadLetters.stream, {
    seq: 1,
  });
  expect(letter?.header.get(DEAD_LETTER_HEADERS.reason)).toBe('conflicting_payload');
  expect(JSON.parse(new TextDecoder().decode(letter?.data))).toEqual(other);
});

test('bytes that are no event are parked as they are, and their neighbours are not harmed', async () => {
  await using bench = await createStageBench();
  const subject = publishSubject(bench.config.log.root, 'acme', 'note', 'content', 'created');
  const broken = new Uint8Array([0xff, 0x00, 0x7b, 0x22]);
  await bench.publish(memoryCreated('before'));
  await bench.broker.jetstream.publish(subject, broken);
  await bench.publish(memoryCreated('after'));
  const stage = counting();
  bench.start(stage);
  await bench.settled();
  expect(stage.calls).toHaveLength(2);
  const letter = await bench.broker.jsm.streams.getMessage(bench.config.deadLetters.stream, {
    seq: 1,
  });
  expect(new Uint8Array(letter?.data ?? [])).toEqual(broken);
  expect(letter?.header.get(DEAD_LETTER_HEADERS.reason)).toBe('invalid_event');
  expect(letter?.header.get(DEAD_LETTER_HEADERS.sequence)).toBe('2');
});

test('unknown types and newer versions are left for a newer worker, not parked at once', async () => {
  await using bench = await createStageBench();
  const { root } = bench.config.log;
  const newer = { ...memoryCreated('from tomorrow'), schemaversion: 99 };
  const unknown = { ...memoryCreated('of another kind'), type: 'memory.invented' };
  const at = (verb: string): string => publishSubject(root, 'acme', 'note', 'content', verb);
  await bench.broker.jetstream.publish(at('created'), JSON.stringify(newer));
  await bench.broker.jetstream.publish(at('invented'), JSON.stringify(unknown));
  await bench.publish(memoryCreated('of today'));
  const stage = counting();
  const { progress } = bench.start(stage);
  await until('both are put off', () => progress.counts['retried'] === 2);
  await until('the third is done', () => progress.counts['done'] === 1);
  // They block no others there.
  await bench.settled();
  const waiting = await bench.database.pool.query('select from memfleet.tenant_queue');
  expect(waiting.rowCount).toBe(2);
  expect(await bench.deadLetters()).toBe(0);
  expect(await bench.work()).toHaveLength(1);
});

test('an outage uses no attempt, parks nothing, and ends by itself', async () => {
  await using bench = await createStageBench();
  const events = Array.from({ length: 40 }, (_, index) => memoryCreated(`note ${index}`));
  await bench.publish(...events);
  let isDown = true;
  let calls = 0;
  const { gate, progress } = bench.start({
    ...IDENTITY,
    async handle(event, { sequence }) {
      await gate.call(async () => {
        calls += 1;
        if (isDown) throw new ProviderError('transient', 'the service is down', { status: 503 });
      });
      return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
    },
  });
  await until('it pauses', () => progress.state.state === 'paused');
  const before = calls;
  const pausedAt = performance.now();
  await until('it has probed twice', () => calls >= before + 2);
  // 500 ms, then a second: a pause of that length allows one or two calls, however many events wait.
  const seconds = (performance.now() - pausedAt) / 1_000;
  expect(calls - before).toBeLessThanOrEqual(2 + 2 * seconds);
  expect((await bench.work()).every(({ attempts }) => attempts === 0)).toBe(true);
  isDown = false;
  const mendedAt = performance.now();
  await bench.settled();
  expect(performance.now() - mendedAt).toBeLessThan(10_000);
  expect(await bench.derived()).toBe(40);
  expect(await bench.deadLetters()).toBe(0);
  expect(progress.state.state).not.toBe('paused');
});

test('an event that fails each time is parked after its attempts', async () => {
  await using bench = await createStageBench({ 'stages.extraction.maxAttempts': '2' });
  await bench.publish(memoryCreated('hopeless'), memoryCreated('fine'));
  const stage = counting(async (event, { sequence }) => {
    if (sequence === 1) throw new ProviderError('invalid_output', 'no JSON in the answer');
    return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
  });
  bench.start(stage);
  await bench.settled();
  expect(stage.calls).toHaveLength(3);
  expect(await bench.work()).toMatchObject([
    { state: 'parked', reason: 'invalid_output', attempts: 1 },
    { state: 'done' },
  ]);
});

test('a handler that hangs and ignores its signal is given up at the deadline', async () => {
  await using bench = await createStageBench({
    'stages.extraction.ackWait': '600ms',
    'stages.extraction.deadline': '600ms',
    'stages.extraction.concurrency': '1',
  });
  await bench.publish(memoryCreated('hangs once'));
  const stage = counting(async (event, { attempt, sequence }) => {
    if (attempt === 1) await new Promise(() => {});
    return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
  });
  bench.start(stage);
  await bench.settled();
  expect(stage.calls).toHaveLength(2);
  expect(await bench.work()).toMatchObject([{ state: 'done', attempts: 1 }]);
});

test('a call far longer than the ack wait is made once', async () => {
  await using bench = await createStageBench({
    'stages.extraction.ackWait': '500ms',
    'stages.extraction.lease': '500ms',
  });
  await bench.publish(memoryCreated('slow'));
  const { promise: answer, resolve } = Promise.withResolvers<void>();
  const stage = counting(async (event, { sequence }) => {
    await answer;
    return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
  });
  const running = bench.start(stage);
  const { stream } = bench.config.log;
  await until('it is held', () => running.progress.inFlight === 1);
  const startedAt = performance.now();
  await until('several ack waits pass', async () => {
    const info = await bench.broker.jsm.consumers.info(stream, 'extraction');
    expect([info.num_ack_pending, info.num_redelivered]).toEqual([1, 0]);
    return performance.now() - startedAt > 2_500;
  });
  resolve();
  await bench.settled();
  expect(stage.calls).toHaveLength(1);
});

test('a result that would not be a valid event is parked before it is recorded', async () => {
  await using bench = await createStageBench();
  await bench.publish(memoryCreated('a note'));
  bench.start(
    counting(async (event, { sequence }) => {
      const derived = nothingExtracted(event, sequence, IDENTITY);
      return { kind: 'done', events: [{ ...derived, id: 'no uuid' }] };
    }),
  );
  await bench.settled();
  expect(await bench.work()).toMatchObject([{ state: 'parked', reason: 'invalid_output' }]);
});

test('a result that the log already has in another form is dropped, and its neighbours are appended', async () => {
  await using bench = await createStageBench();
  const events = [memoryCreated('one'), memoryCreated('two'), memoryCreated('three')];
  await bench.publish(...events);
  const make: Stage['handle'] = async (event, { sequence }) => ({
    kind: 'done',
    events: [nothingExtracted(event, sequence, IDENTITY)],
  });
  {
    await using first = bench.start(counting(make));
    await until('one is done', () => first.progress.processed === 3);
    await first.stop();
  }
  // The dedupe table is lost, and the model gives a different answer this time.
  await bench.database.pool.query('truncate memfleet.stage_work');
  await bench.broker.jsm.consumers.reset(bench.config.log.stream, 'extraction', 1);
  bench.start(
    counting(async (event, { sequence }) => {
      const derived = nothingExtracted(event, sequence, IDENTITY);
      const data = sequence === 2 ? { ...derived.data, empty_reason: randomUUID() } : derived.data;
      return { kind: 'done', events: [{ ...derived, data }] };
    }),
  );
  await bench.settled();
  expect(await bench.derived()).toBe(3);
  expect((await bench.work()).every(({ published }) => published)).toBe(true);
});
