import { type Decoded, type Envelope, latestVersion, registry } from '@memfleet/events';
import type { Stage } from '@memfleet/stages';
import { expect, test } from 'vitest';
import type { Reader } from '../../../shared/stages/src/pipeline/read.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { createStageBench, type StageBench } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

const IDENTITY = { name: 'test', version: 1 };
const NEWER = 99;
/** The durable's limit of outstanding events. */
const MOST_OUT = 8;

const stage: Stage = {
  ...IDENTITY,
  async handle(event, { sequence }) {
    return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
  },
};

/** A stage of tomorrow, which knows the newer version. */
const tomorrow: Reader = {
  decode(bytes: Uint8Array): Decoded {
    const event = JSON.parse(Buffer.from(bytes).toString()) as Envelope;
    const definition = registry.definition(event.type);
    const schemaversion = definition === undefined ? 1 : latestVersion(definition);
    return registry.decode(Buffer.from(JSON.stringify({ ...event, schemaversion })));
  },
};

/** Publishes like a publisher that was deployed before the workers: today's library refuses such events. */
async function publishNewer({ broker, config }: StageBench, events: number): Promise<void> {
  for (let index = 0; index < events; index += 1) {
    const event = memoryCreated(`note ${index}`, { tenant: 'early', memory: `m${index}` });
    const subject = `${config.log.root}.early.m${index}.content.created`;
    await broker.jetstream.publish(subject, JSON.stringify({ ...event, schemaversion: NEWER }));
  }
}

test('events of a newer version block no others, and wait for a worker that knows them', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': `${MOST_OUT}`,
    'stages.extraction.batch': `${MOST_OUT}`,
    'stages.extraction.maxAckPending': `${MOST_OUT}`,
  });
  const newer = 3 * MOST_OUT;
  await publishNewer(bench, newer);
  await bench.publish(...Array.from({ length: 5 }, (_, index) => memoryCreated(`note ${index}`)));
  const old = bench.start(stage);
  await bench.settled();
  expect([await bench.derived(), await bench.deadLetters()]).toEqual([5, 0]);
  const waiting = async (): Promise<string[]> => {
    const { rows } = await bench.database.pool.query<{ tenant: string }>(
      'select tenant from memfleet.tenant_queue where taken_until > now()',
    );
    return rows.map(({ tenant }) => tenant);
  };
  expect(await waiting()).toEqual(Array.from({ length: newer }, () => 'early'));
  // Looked at again, they wait again.
  const lookedAt = async (): Promise<number> => {
    const { rows } = await bench.database.pool.query<{ looks: number }>(
      'select min(deliveries) as looks from memfleet.tenant_queue where taken_until > now()',
    );
    return rows[0]?.looks ?? 0;
  };
  await dueNow(bench);
  await until('each was looked at again', async () => (await lookedAt()) >= 1);
  await until('all wait again', async () => (await waiting()).length === newer);
  await old.stop();
  bench.start(stage, { reader: tomorrow });
  await until('all are done', async () => {
    await dueNow(bench);
    return (await bench.derived()) === 5 + newer;
  });
  const rows = await bench.work();
  expect(rows.every(({ state, attempts }) => state === 'done' && attempts === 0)).toBe(true);
  expect(await bench.deadLetters()).toBe(0);
});

/** No test waits for half a minute. */
async function dueNow({ database }: StageBench): Promise<void> {
  await database.pool.query(`update memfleet.tenant_queue set taken_until = '-infinity'`);
}
