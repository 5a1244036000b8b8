import { describe, expect, test } from 'vitest';
import { answer, called, createStageFleet, STAGES } from '../chaos/stage-fleet.ts';
import { replies } from '../support/model-service.ts';
import { until } from '../support/until.ts';

/** The same ratio as 10 minutes to the ack wait of 30 s; and longer than the five minutes of Node's fetch. */
const ACK_WAITS = 20;
const ACK_WAIT_S = 16.5;
const CALL_MS = ACK_WAITS * ACK_WAIT_S * 1_000;
const EQUAL = 1_000;

describe.concurrent.each(STAGES)('the $stage stage', (stageCase) => {
  const { stage, durable } = stageCase;

  test(
    'a call of 20 ack waits, longer than five minutes, is one call, one delivery, one effect',
    { timeout: CALL_MS + 180_000 },
    async () => {
      await using fleet = await createStageFleet(stageCase, {
        [`stages.${stage}.ackWait`]: `${ACK_WAIT_S * 1_000}ms`,
        [`stages.${stage}.lease`]: '12s',
        [`stages.${stage}.deadline`]: '15m',
      });
      await fleet.publish(1);
      fleet.model.respond((call) => replies.slow(CALL_MS, answer(call)));
      await using worker = fleet.start();
      await called(fleet, 1);
      const startedAt = performance.now();
      const { stream } = fleet.config.log;
      await until(
        'it has its answer',
        async () => {
          const info = await fleet.broker.jsm.consumers.info(stream, durable);
          expect([info.num_redelivered, info.delivered.consumer_seq]).toEqual([0, 1]);
          return info.num_ack_pending === 0;
        },
        CALL_MS + 90_000,
      );
      expect(performance.now() - startedAt).toBeGreaterThan(CALL_MS - 1_000);
      expect(fleet.model.calls).toHaveLength(1);
      expect(await fleet.effects()).toMatchObject({ done: 1, derived: 1, distinct: 1, parked: 0 });
      const { rows } = await fleet.database.pool.query(
        'select attempts, abandoned from memfleet.stage_work',
      );
      expect(rows).toEqual([{ attempts: 0, abandoned: 0 }]);
      worker.kill('SIGTERM');
      await worker.endsWith(0);
    },
  );

  test('a call that is never answered is given up, repeated, and succeeds', async () => {
    await using fleet = await createStageFleet(stageCase, {
      [`stages.${stage}.ackWait`]: '4s',
      [`stages.${stage}.lease`]: '3s',
      [`stages.${stage}.deadline`]: '10s',
    });
    await fleet.publish(1);
    fleet.model.respond((call, number) => (number === 1 ? replies.hang() : answer(call)));
    await using worker = fleet.start();
    await fleet.settled();
    const [first, second] = fleet.model.calls;
    expect(fleet.model.calls).toHaveLength(2);
    expect(first?.abandoned).toBe(true);
    // Given up by our own limit: half of the deadline and more.
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(5_000);
    expect(await fleet.effects()).toMatchObject({ done: 1, derived: 1, distinct: 1, parked: 0 });
    worker.kill('SIGTERM');
    await worker.endsWith(0);
  });

  test(`equal content ${EQUAL} times makes one call, and the whole stream again makes none`, async () => {
    await using fleet = await createStageFleet(stageCase, {
      [`stages.${stage}.concurrency`]: '64',
      [`stages.${stage}.batch`]: '32',
      [`stages.${stage}.ackWait`]: '20s',
      [`stages.${stage}.lease`]: '15s',
      // The server must not reject events that are published again.
      'log.duplicateWindow': '1s',
    });
    await fleet.publishEqual(EQUAL);
    {
      await using worker = fleet.start();
      await until('all are done', async () => (await fleet.effects()).derived === EQUAL, 120_000);
      await fleet.settled();
      worker.kill('SIGTERM');
      await worker.endsWith(0);
    }
    const all = { done: EQUAL, parked: 0, derived: EQUAL, distinct: EQUAL, deadLetters: 0 };
    expect(await fleet.effects()).toEqual(all);
    expect(fleet.model.calls).toHaveLength(1);
    const { last_seq: last } = (await fleet.broker.jsm.streams.info(fleet.config.log.stream)).state;

    await fleet.broker.jsm.consumers.reset(fleet.config.log.stream, durable, 1);
    await using again = fleet.start();
    await until(
      'all were delivered again',
      async () => {
        const info = await fleet.broker.jsm.consumers.info(fleet.config.log.stream, durable);
        return info.delivered.stream_seq >= EQUAL;
      },
      120_000,
    );
    await fleet.settled();
    again.kill('SIGTERM');
    await again.endsWith(0);
    expect(await fleet.effects()).toEqual(all);
    expect(fleet.model.calls).toHaveLength(1);
    // The log has not one more message.
    const { state } = await fleet.broker.jsm.streams.info(fleet.config.log.stream);
    expect(state.last_seq).toBe(last);
  });
});
