import { CRASH_POINTS } from '@memfleet/runtime';
import { describe, expect, test } from 'vitest';
import { startTcpGate } from '../support/tcp-gate.ts';
import { until } from '../support/until.ts';
import { answer, called, createStageFleet, isPoisoned, STAGES } from './stage-fleet.ts';

/** Events published before each kill; one in five is poisoned, and parked. */
const ROUND = 10;
const POISON_EVERY = 5;
/** As the fleet sets its concurrency. */
const SLOTS = 8;

/**
 * Everything that a stage worker must survive, tested on real processes: a kill at each named crash point
 * and in the middle of a call, a stop longer than its lease, a request to stop under load. Three figures
 * count: one effect per event, at most one call per event plus one per kill, and nothing left behind.
 */
describe.each(STAGES)('the $stage worker', (stageCase) => {
  test('killed at every crash point and in a call, it has one effect per event', async () => {
    await using fleet = await createStageFleet(stageCase);
    let kills = 0;
    for (const point of CRASH_POINTS.stage) {
      await fleet.publish(ROUND, POISON_EVERY);
      await using worker = fleet.start({ MEMFLEET_CRASH_AT: point });
      await worker.endsWith('SIGKILL');
      kills += 1;
    }
    // And once while the service handles the call.
    await fleet.publish(ROUND, POISON_EVERY);
    {
      await using worker = fleet.start();
      fleet.model.respond((call) => {
        worker.kill('SIGKILL');
        return answer(call);
      });
      await worker.endsWith('SIGKILL');
      fleet.model.respond(answer);
      kills += 1;
    }

    const events = ROUND * kills;
    const poisoned = events / POISON_EVERY;
    await using worker = fleet.start();
    await fleet.settled();
    worker.kill('SIGTERM');
    await worker.endsWith(0);
    expect(await fleet.effects()).toEqual({
      done: events - poisoned,
      parked: poisoned,
      derived: events - poisoned,
      distinct: events - poisoned,
      deadLetters: poisoned,
    });
    expect(await fleet.pending()).toEqual({ unanswered: 0, waiting: 0 });
    // A kill costs only the calls in progress. (A call with a poisoned text is refused as a whole, so
    // it is not paid for.)
    const paid = fleet.model.calls.filter(({ body }) => !isPoisoned(body)).flatMap(textsOf);
    expect(new Set(paid).size).toBe(events - poisoned);
    expect(paid.length - new Set(paid).size).toBeLessThanOrEqual(kills * SLOTS);
  });

  test('told to stop, it finishes the events it holds, exits 0, and none is redelivered', async () => {
    await using fleet = await createStageFleet(stageCase);
    await fleet.publish(40);
    const answers = Promise.withResolvers<void>();
    fleet.model.respond(async (call) => {
      await answers.promise;
      return answer(call);
    });
    await using worker = fleet.start();
    await worker.ready();
    await called(fleet, 1);
    // A slot may be kept for the stage's other input.
    await until('its slots are full', async () => (await fleet.claimed()) >= SLOTS - 1);
    worker.kill('SIGTERM');
    // Before the request arrives, a free slot may pull another event, which is then given back.
    await until('it has heard', () => worker.log.includes('taking nothing new'));
    answers.resolve();
    await worker.endsWith(0);
    const after = await fleet.effects();
    expect(after.done).toBeGreaterThanOrEqual(SLOTS - 1);
    expect(after.derived).toBe(after.done);
    // Unfinished events are free for others at once: neither side holds them.
    expect(await fleet.pending()).toEqual({ unanswered: 0, waiting: 40 - after.done });
    expect(await fleet.claimed()).toBe(0);
    await using next = fleet.start();
    await fleet.settled();
    expect((await fleet.effects()).derived).toBe(40);
    expect(fleet.model.calls.flatMap(textsOf)).toHaveLength(40);
    next.kill('SIGTERM');
    await next.endsWith(0);
  });

  test('stopped longer than its lease, it wakes as a zombie that writes and acks nothing', async () => {
    await using fleet = await createStageFleet(stageCase);
    await fleet.publish(1);
    const zombieAnswer = Promise.withResolvers<void>();
    fleet.model.respond(async (call, number) => {
      if (number === 1) await zombieAnswer.promise;
      return answer(call);
    });
    await using zombie = fleet.start();
    await zombie.ready();
    await called(fleet, 1);
    zombie.kill('SIGSTOP');
    await using heir = fleet.start();
    await fleet.settled();
    const rowsOf = async (): Promise<unknown[]> => {
      const { rows: found } = await fleet.database.pool.query<Record<string, unknown>>(
        'select * from memfleet.stage_work',
      );
      return found;
    };
    const [rows, effects] = [await rowsOf(), await fleet.effects()];
    expect(effects).toMatchObject({ done: 1, derived: 1 });
    expect(rows[0]).toMatchObject({ abandoned: 1, attempts: 0 });
    const said: { readonly delivery: number; readonly what: string }[] = [];
    const { stream } = fleet.config.log;
    const acks = fleet.broker.connection.subscribe(`$JS.ACK.${stream}.${stageCase.durable}.>`, {
      callback: (_, message) => {
        // $JS.ACK.<stream>.<durable>.<delivery>…, perhaps with domain and account in between.
        const tokens = message.subject.split('.');
        const delivery = Number(tokens[tokens.length === 9 ? 4 : 6]);
        said.push({ delivery, what: message.string() });
      },
    });
    await fleet.broker.connection.flush();

    zombieAnswer.resolve();
    zombie.kill('SIGCONT');
    // Its answer has come and it drains, so it has had every chance to ack.
    zombie.kill('SIGTERM');
    await zombie.endsWith(0);
    expect(await rowsOf()).toEqual(rows);
    expect(await fleet.effects()).toEqual(effects);
    await fleet.broker.connection.flush();
    acks.unsubscribe();
    // It must not answer for claimed events. (A redelivery that arrived at its open request while it was
    // stopped was never claimed: it may ack that one as done, or give it back.)
    expect(said.filter(({ delivery }) => delivery === 1)).toEqual([]);
    expect(fleet.model.calls.flatMap(textsOf)).toHaveLength(2);
    heir.kill('SIGTERM');
    await heir.endsWith(0);
  });

  test('stopped between record and publish, it wakes to a finished event and changes nothing', async () => {
    await using fleet = await createStageFleet(stageCase);
    const { hostname, port } = new URL(fleet.broker.url);
    await using way = await startTcpGate(hostname, Number(port));
    await fleet.publish(1);
    fleet.model.respond((call) => {
      // From here on no message of the worker reaches the broker.
      way.close();
      return answer(call);
    });
    await using zombie = fleet.start({ NATS_URL: `nats://127.0.0.1:${way.port}` });
    await zombie.ready();
    await until('its result is recorded', async () => (await fleet.effects()).done === 1);
    zombie.kill('SIGSTOP');
    fleet.model.respond(answer);
    expect(await fleet.effects()).toMatchObject({ done: 1, derived: 0 });
    await using heir = fleet.start();
    await fleet.settled();
    const rowsOf = async (): Promise<unknown[]> => {
      const { rows } = await fleet.database.pool.query<Record<string, unknown>>(
        'select * from memfleet.stage_work',
      );
      return rows;
    };
    const [rows, effects] = [await rowsOf(), await fleet.effects()];
    expect(effects).toMatchObject({ done: 1, derived: 1 });

    way.open();
    zombie.kill('SIGCONT');
    zombie.kill('SIGTERM');
    await zombie.ended();
    // The other worker published the recorded result, and its own publish came too late.
    expect(await rowsOf()).toEqual(rows);
    expect(await fleet.effects()).toEqual(effects);
    expect(fleet.model.calls.flatMap(textsOf)).toHaveLength(1);
    heir.kill('SIGTERM');
    await heir.endsWith(0);
  });
});

/** The contents in a call. */
function textsOf({ body }: { readonly body: Readonly<Record<string, unknown>> }): string[] {
  return JSON.stringify(body).match(/(?:note|poison) number \d+/g) ?? [];
}
