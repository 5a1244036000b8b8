import { TenantQueue } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { laggingReplica } from '../../support/broker.ts';
import { memoryCreated } from '../../support/events.ts';
import { createStageBench } from '../../support/stage.ts';

test('what waits is dropped when the log has it no more, not when a replica does not have it yet', async () => {
  await using bench = await createStageBench();
  const { pool } = bench.database;
  await bench.publish(memoryCreated('one'), memoryCreated('two'));
  await pool.query(
    `insert into memfleet.tenant_queue (stage, tenant, sequence)
     select 'test', 'acme', unnest(array[1, 2, 3])`,
  );
  const queue = new TenantQueue({
    db: pool,
    jsm: laggingReplica(bench.broker),
    stage: 'test',
    stream: bench.config.log.stream,
    ackWaitMs: 1_000,
  });
  const taken = await queue.take(new Map([['acme', 10]]));
  expect(taken.map(({ info }) => info.streamSequence)).toEqual([1, 2]);
  const { rows } = await pool.query('select sequence from memfleet.tenant_queue order by sequence');
  expect(rows).toEqual([{ sequence: '1' }, { sequence: '2' }]);
});
