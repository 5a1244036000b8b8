import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { answer, called, createStageFleet, STAGES, type StageFleet } from '../chaos/stage-fleet.ts';
import { runCommand } from '../support/cli.ts';
import { replies, type Responder } from '../support/model-service.ts';
import { until } from '../support/until.ts';

/** Ten minutes, shortened to a twentieth; pauses and probes are as long as always. */
const OUTAGE_MS = 30_000;
/** The calls that are under way when it begins, and the first of its pauses. */
const CLOSING_MS = 5_000;
const EVENTS = 400;
const LIMIT_MS = 480_000;

/** Everything a service in trouble says, one after the other. */
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

describe.each(STAGES)('the $stage stage', { timeout: LIMIT_MS }, (stageCase) => {
  const { stage } = stageCase;
  // One text a call, so that calls and events are the same.
  const provider = { ...stageCase.provider, ...(stage === 'embedding' ? { maxBatch: 1 } : {}) };
  // Far fewer slots than events: when the outage begins, most are still to come.
  const settings = { [`stages.${stage}.deadline`]: '4s', [`stages.${stage}.concurrency`]: '64' };

  test('an outage touches no event, is left alone, and ends by itself', async () => {
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
    await delay(CLOSING_MS);
    const [calls, before] = [fleet.model.calls.length, await fleet.pending()];
    const [samples, startedAt] = [[before.unanswered], performance.now()];
    while (performance.now() - startedAt < OUTAGE_MS - CLOSING_MS) {
      samples.push((await fleet.pending()).unanswered);
      await delay(200);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const during = fleet.model.calls.length - calls;
    const after = await fleet.pending();
    expect(during).toBeGreaterThan(0);
    expect(during / seconds).toBeLessThan(1);
    // Nothing is pulled but what a probe needs; it is given back each time.
    expect(before.waiting - after.waiting).toBeLessThanOrEqual(during);
    // What was under way when it began waits for its redelivery.
    expect(Math.max(...samples)).toBeLessThanOrEqual(before.unanswered + during);
    const { rows } = await fleet.database.pool.query(
      'select from memfleet.stage_work where attempts > 0',
    );
    expect(rows).toHaveLength(0);

    const mended = fleet.model.calls.length;
    fleet.model.respond(right);
    const mendedAt = performance.now();
    // The first is the probe: with the second all slots may be at work again.
    await until('calls are made again', () => fleet.model.calls.length >= mended + 9, 60_000);
    const backMs = performance.now() - mendedAt;
    process.stderr.write(
      `${stage}: ${during} calls in ${seconds.toFixed(0)} s of outage, back after ${backMs.toFixed(0)} ms\n`,
    );
    expect(backMs).toBeLessThan(6_000);
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
    await using fleet = await createStageFleet({ ...stageCase, provider }, settings);
    await fleet.publish(50);
    fleet.model.respond(reply);
    await using worker = fleet.start();
    await called(fleet, 1);
    await until(
      'status says why',
      async () => cause.test((await statusOf(fleet))?.cause ?? ''),
      60_000,
    );
    expect((await statusOf(fleet))?.state).toBe('paused');
    // What was under way when it was refused, then a probe each half minute.
    const halfMinutes = (performance.now() - (fleet.model.calls[0]?.at ?? 0)) / 30_000;
    expect(fleet.model.calls.length).toBeLessThanOrEqual(8 + halfMinutes);
    fleet.model.respond(answer);
    await until('all is done', async () => (await fleet.effects()).derived === 50, 90_000);
    expect(await fleet.effects()).toMatchObject({ done: 50, parked: 0, deadLetters: 0 });
    worker.kill('SIGTERM');
    await worker.endsWith(0);
  });
});

async function statusOf({
  stage,
  environment,
}: StageFleet): Promise<Status['workers'][0] | undefined> {
  const { stdout, stderr, code } = await runCommand(['status', '--json'], environment);
  if (code !== 0) throw new Error(`status ended with ${code}: ${stderr}`);
  return (JSON.parse(stdout) as Status).workers.find(({ worker }) => worker === stage);
}
