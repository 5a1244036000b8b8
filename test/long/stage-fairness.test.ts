import { createEvent, type Envelope } from '@memfleet/events';
import { expect, test } from 'vitest';
import { answer, called, createStageFleet, STAGES, type StageFleet } from '../chaos/stage-fleet.ts';
import { memoryCreated } from '../support/events.ts';
import { ONE_FACT, replies } from '../support/model-service.ts';
import { until } from '../support/until.ts';

const CALL_MS = 500;
const SLOTS = 8;
const PROCESSES = 2;
const FLOOD = 2_000;
const OTHERS = 5;
/** ARCHITECTURE.md: `fairness.after` + 1 s + F / 2,000 s + one call; then the call itself. */
const BOUND_MS = 1_000 + 1_000 + (FLOOD / 2_000) * 1_000 + 2 * CALL_MS;
/**
 * The same in calls of the flood, of which a slow machine makes fewer. In the order of the log, about 1,900
 * would come first on any machine.
 */
const BOUND_CALLS = (BOUND_MS * SLOTS * PROCESSES) / CALL_MS;
const IN_ORDER_MS = (FLOOD * CALL_MS) / (SLOTS * PROCESSES);

/** The extraction of a memory, with one fact of its own. */
function extracted(tenant: string, text: string): Envelope {
  return createEvent({
    tenant,
    memory: 'm-facts',
    type: 'memory.extracted',
    source: '/memfleet/extraction',
    data: {
      cause: { source: '/test', id: '0190b7a4-0000-7000-8000-000000000000', sequence: 1 },
      extractor: { name: 'test', version: '1' },
      facts: [{ ...ONE_FACT, text }],
      entities: [],
      usage: { calls: 1, input_tokens: 0, output_tokens: 0 },
      cost_usd: 0,
      duration_ms: 0,
      cached: false,
    },
  });
}

/** A content and a fact of each of these tenants. */
function eventsOf(tenants: readonly string[]): Envelope[] {
  return tenants.flatMap((tenant) => [
    memoryCreated(`note of ${tenant}`, { tenant, memory: 'm-content' }),
    extracted(tenant, `fact of ${tenant}`),
  ]);
}

async function done({ database }: StageFleet, tenants: readonly string[]): Promise<number> {
  const { rows } = await database.pool.query<{ events: number }>(
    `select count(*)::int as events from memfleet.stage_work
      where state = 'done' and tenant = any($1)`,
    [tenants],
  );
  return rows[0]?.events ?? 0;
}

test('others are served in time behind the flood of one tenant, on both inputs of two processes', async () => {
  const embedding = STAGES.find(({ stage }) => stage === 'embedding');
  if (embedding === undefined) throw new Error('there is no embedding stage');
  await using fleet = await createStageFleet(
    // One text per call, so that each slot is a call.
    { ...embedding, provider: { ...embedding.provider, maxBatch: 1 } },
    {
      'stages.embedding.concurrency': String(SLOTS),
      'stages.embedding.batch': '256',
      'stages.embedding.ackWait': '20s',
      'stages.embedding.lease': '15s',
      'stages.embedding.deadline': '60s',
    },
  );
  fleet.model.respond((call) => replies.slow(CALL_MS, answer(call)));
  const flood = Array.from({ length: FLOOD / 2 }, (_, index) => [
    memoryCreated(`flooding note ${index}`, { tenant: 'flood', memory: `m${index}` }),
    extracted('flood', `flooding fact ${index}`),
  ]).flat();
  await fleet.append(flood);
  await using one = fleet.start();
  await using other = fleet.start();
  await Promise.all([called(fleet, 2 * SLOTS), one.ready(), other.ready()]);
  const others = Array.from({ length: OTHERS }, (_, index) => `other-${index}`);
  const before = await done(fleet, ['flood']);
  await fleet.append(eventsOf(others));
  const startedAt = performance.now();
  await until(
    'the others are served',
    async () => (await done(fleet, others)) === 2 * OTHERS,
    2 * IN_ORDER_MS,
  );
  const tookMs = performance.now() - startedAt;
  const meanwhile = (await done(fleet, ['flood'])) - before;
  process.stderr.write(
    `others served after ${tookMs.toFixed(0)} ms (bound ${BOUND_MS}) and ${meanwhile} calls of the ` +
      `flood; in the order of the log: ${IN_ORDER_MS} ms\n`,
  );
  expect(meanwhile).toBeLessThan(BOUND_CALLS);
  // The flood makes progress too.
  expect(meanwhile).toBeGreaterThan(0);
});
