import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { answer, called, createStageFleet, STAGES, type StageFleet } from '../chaos/stage-fleet.ts';
import { runCommand } from '../support/cli.ts';
import { replies, type Responder } from '../support/model-service.ts';
import { until } from '../support/until.ts';

/** Ten minutes, shortened to a twentieth; pauses and probes have their usual lengths. */
const OUTAGE_MS = 25_000;
/** As in provider-gate.ts: the longest pause between two probes, and the time between two turns to probe. */
const LONGEST_PAUSE_MS = 4_000;
const PROBE_TURN_MS = 1_000;
const DEADLINE_MS = 4_000;
const EVENTS = 400;
const SLOTS = 64;
/** More than the slots: the rest would be called during a pause, if that were possible. */
const ACCOUNT_EVENTS = 100;
/** As in provider-gate.ts: the time between two probes while the account has a problem. */
const ACCOUNT_PAUSE_MS = 30_000;

/** All answers of a service in trouble, one after the other. */
const FAULTS: readonly Responder[] = [
  () => replies.rateLimited({ 'retry-after': '2' }),
  () => replies.status(503),
  () => replies.reset(),
  () => replies.rateLimited(),
  () => replies.hang(),
  () => replies.html(502),
];

interface Status {
  readonly workers: readonly {
    readonly worker: string;
    readonly state: string;
    readonly cause: string | null;
  }[];
}

describe.each(STAGES)('the $stage stage', (stageCase) => {
  const { stage } = stageCase;
  // One text per call, so that there are as many calls as events.
  const provider = { ...stageCase.provider, ...(stage === 'embedding' ? { maxBatch: 1 } : {}) };
  // Far fewer slots than events: when the outage begins, most are still to come.
  const settings = {
    [`stages.${stage}.deadline`]: `${DEADLINE_MS}ms`,
    [`stages.${stage}.concurrency`]: String(SLOTS),
  };

  test('an outage touches no event, and ends by itself', async () => {
    await using fleet = await createStageFleet({ ...stageCase, provider }, settings);
    const right: Responder = (call) => replies.slow(100, answer(call));
    fleet.model.respond(right);
    await fleet.publish(EVENTS);
    await using worker = fleet.start();
    await called(fleet, 40);
    fleet.model.respond((call, number) => {
      const fault = FAULTS[number % FAULTS.length] ?? right;
      return fault(call, number);
    });
    // It has noticed the outage, through the calls in progress when it began.
    await until('it is paused', async () => (await reportedState(fleet)) === 'paused', 60_000);
    const [calls, before] = [fleet.model.calls.length, await fleet.pending()];
    const [samples, startedAt] = [[before.unanswered], performance.now()];
    while (performance.now() - startedAt < OUTAGE_MS) {
      samples.push((await fleet.pending()).unanswered);
      await delay(200);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const during = fleet.model.calls.length - calls;
    const after = await fleet.pending();
    expect(during).toBeGreaterThan(0);
    expect(during / seconds).toBeLessThan(1);
    // Only the event for a probe is pulled, and given back each time. On a machine that takes longer than
    // a turn from the pull to the call, a turn passes without a call.
    const turns = during + Math.ceil((seconds * 1_000) / PROBE_TURN_MS);
    expect(before.waiting - after.waiting).toBeLessThanOrEqual(turns);
    // Events in progress when it began wait for their redelivery.
    expect(Math.max(...samples)).toBeLessThanOrEqual(before.unanswered + turns);
    const { rows } = await fleet.database.pool.query(
      'select from memfleet.stage_work where attempts > 0',
    );
    expect(rows).toHaveLength(0);

    const fixed = fleet.model.calls.length;
    fleet.model.respond(right);
    const fixedAt = performance.now();
    // The first is the probe: from the second on, all slots may work again.
    await until('calls are made again', () => fleet.model.calls.length >= fixed + 9, 60_000);
    const backMs = (fleet.model.calls[fixed]?.at ?? Number.NaN) - fixedAt;
    process.stderr.write(
      `${stage}: ${during} calls in ${seconds.toFixed(0)} s of outage, back after ${backMs.toFixed(0)} ms\n`,
    );
    // The last probe of the outage may hang until its deadline, and then there is the longest pause; a
    // slow machine takes as much longer as it took between the probes of the outage.
    const at = fleet.model.calls.slice(calls, fixed).map((call) => call.at);
    const gaps = at.slice(1).map((time, index) => time - (at[index] ?? time));
    expect(backMs).toBeLessThan(1.25 * Math.max(DEADLINE_MS + LONGEST_PAUSE_MS, ...gaps));
    await until('all is done', async () => (await fleet.effects()).derived === EVENTS, 120_000);
    await fleet.settled();
    expect(await fleet.effects()).toEqual({
      done: EVENTS,
      parked: 0,
      derived: EVENTS,
      distinct: EVENTS,
      deadLetters: 0,
    });
    const tried = await fleet.database.pool.query(
      'select from memfleet.stage_work where attempts > 0',
    );
    expect(tried.rows).toHaveLength(0);
    worker.kill('SIGTERM');
    await worker.endsWith(0);
  });

  test.each([
    ['quota', replies.quotaExceeded(), /quota/],
    ['auth', replies.unauthorized(), /auth/],
  ])('trouble with the account (%s) pauses, and status says why', async (_, reply, cause) => {
    await using fleet = await createStageFleet(
      { ...stageCase, provider },
      // The service is slow here, which is no outage.
      { ...settings, [`stages.${stage}.deadline`]: '5m' },
    );
    const calls = fleet.model.calls;
    // The answers are held back until all slots have a call, so that on any machine it is known which
    // calls were in progress at the first refusal.
    const [first, others] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const probe = Promise.withResolvers<void>();
    let refusedAt = 0;
    fleet.model.respond(async (call, number) => {
      if (number <= SLOTS) {
        await (number === 1 ? first.promise : others.promise);
        refusedAt = performance.now();
        return reply;
      }
      if (number === SLOTS + 1) await probe.promise;
      return answer(call);
    });
    await fleet.publish(ACCOUNT_EVENTS);
    await using worker = fleet.start();
    await called(fleet, SLOTS);
    first.resolve();
    const isPaused = async (): Promise<boolean> => {
      const { state, cause: said } = (await statusOf(fleet)) ?? {};
      return state === 'paused' && cause.test(said ?? '');
    };
    await until('status says why', isPaused, 60_000);
    // The refusal has been received, its slot is free, and most events are still to come.
    expect(calls).toHaveLength(SLOTS);
    others.resolve();
    // All slots are free now. The next call is the probe, when the pause is over.
    await called(fleet, SLOTS + 1);
    expect((calls[SLOTS]?.at ?? 0) - refusedAt).toBeGreaterThanOrEqual(ACCOUNT_PAUSE_MS);
    // Until it is answered it is the only call, and the stage is paused.
    expect(await isPaused()).toBe(true);
    expect(calls).toHaveLength(SLOTS + 1);
    probe.resolve();
    await until(
      'all is done',
      async () => (await fleet.effects()).derived === ACCOUNT_EVENTS,
      90_000,
    );
    expect(await fleet.effects()).toMatchObject({
      done: ACCOUNT_EVENTS,
      parked: 0,
      deadLetters: 0,
    });
    // Only the refused events were called again.
    expect(calls).toHaveLength(ACCOUNT_EVENTS + SLOTS);
    worker.kill('SIGTERM');
    await worker.endsWith(0);
  });
});

/** The worker's last report, at most a second old. */
async function reportedState({ database, stage }: StageFleet): Promise<string | undefined> {
  const { rows } = await database.pool.query<{ state: string }>(
    'select state from memfleet.worker_reports where worker = $1',
    [stage],
  );
  return rows[0]?.state;
}

async function statusOf({
  stage,
  environment,
}: StageFleet): Promise<Status['workers'][0] | undefined> {
  const { stdout, stderr, code } = await runCommand(['status', '--json'], environment);
  if (code !== 0) throw new Error(`status ended with ${code}: ${stderr}`);
  return (JSON.parse(stdout) as Status).workers.find(({ worker }) => worker === stage);
}
