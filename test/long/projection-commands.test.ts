import { createEvent, Publisher } from '@memfleet/events';
import { laneStatus } from '@memfleet/projections';
import { expect, test } from 'vitest';
import { type CliFleet, createCliFleet, startCli } from '../integration/cli/run-cli.ts';
import { until } from '../support/until.ts';
import { WorkerProcess } from '../support/worker-process.ts';

const MAIN = new URL('../../workers/projection/src/main.ts', import.meta.url).pathname;

function startWorker(fleet: CliFleet): WorkerProcess {
  return new WorkerProcess(MAIN, { ...fleet.env, MEMFLEET_PROJECTIONS_BATCH: '50' });
}

async function publish(fleet: CliFleet, count: number): Promise<void> {
  const publisher = new Publisher(fleet.broker.connection, { log: fleet.config.log });
  await Promise.all(
    Array.from({ length: count }, (_, number) =>
      publisher.append(
        createEvent({
          tenant: 'acme',
          memory: `m-${number}`,
          type: 'memory.created',
          source: '/test',
          data: { content: `Ada prefers tea number ${number}.` },
        }),
      ),
    ),
  );
}

async function json(fleet: CliFleet, ...args: readonly string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await fleet.run(['projection', ...args, '--json']);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as unknown);
}

/** How many events the rebuild has applied when its worker is killed. */
const HALF_WAY = 700;

test('a rebuild from beginning to end, with its worker killed in the middle', async () => {
  const settings = {
    'projections.lease': '1s',
    'workers.report': '200ms',
  };
  await using fleet = await createCliFleet({ settings });
  const { pool } = fleet.database;
  await publish(fleet, 1_500);
  const next = async () => {
    const lanes = await laneStatus(pool);
    return lanes.find(({ generationState }) => generationState === 'next');
  };
  {
    // The next generation is held half way, so that it is not finished before its worker dies.
    await pool.query(
      `create function hold() returns trigger language plpgsql as 'begin
         if new.generation = 2 then
           new.hold_at := ${HALF_WAY}; new.hold_until := now() + interval ''1 hour'';
         end if;
         return new; end';
       create trigger hold before insert on memfleet.checkpoints for each row execute function hold()`,
    );
    await using worker = startWorker(fleet);
    await worker.ready();
    const [begun] = await json(fleet, 'rebuild', 'memories', '--detach');
    expect(begun).toEqual({
      projection: 'memories',
      generation: 2,
      isNew: true,
      caughtUp: false,
    });
    await until('a part is filled', async () => (await next())?.position === HALF_WAY);
    worker.kill('SIGKILL');
    await worker.endsWith('SIGKILL');
  }
  await pool.query('update memfleet.checkpoints set hold_at = null, hold_until = null');

  await using worker = startWorker(fleet);
  const [watched] = await json(fleet, 'rebuild', 'memories');
  expect(watched).toMatchObject({ generation: 2, isNew: false, caughtUp: true });
  const [verified] = await json(fleet, 'verify', 'memories');
  expect(verified).toMatchObject({ equal: true, position: 1_500, parkedEvents: { live: 0 } });
  expect(await json(fleet, 'promote', 'memories')).toMatchObject([{ live: 2, before: 1 }]);
  const [listed, lanes] = await Promise.all([
    fleet.run(['projection', 'list']),
    json(fleet, 'status', 'memories'),
  ]);
  expect(listed.stdout).toMatch(/\nmemories +1 +previous .*\nmemories +2 +live /);
  expect(lanes).toMatchObject([
    { generation: 1, generationState: 'previous', position: 1_500, lagEvents: 0, etaSeconds: 0 },
    { generation: 2, generationState: 'live', position: 1_500, lagEvents: 0, etaSeconds: 0 },
  ]);
  expect(await json(fleet, 'rollback', 'memories')).toMatchObject([{ live: 1, before: 2 }]);
  expect(await json(fleet, 'retire', 'memories', '--generation', '2')).toEqual([
    { projection: 'memories', generation: 2, retired: true },
  ]);
  const { rows } = await pool.query('select count(*)::int as count from memory.memories');
  expect(rows).toEqual([{ count: 1_500 }]);
  worker.kill('SIGTERM');
  await worker.endsWith(0);
});

test('differences and parked memories are reported, with exit code 1', async () => {
  await using fleet = await createCliFleet({ settings: { 'projections.lease': '1s' } });
  const { pool } = fleet.database;
  const { root } = fleet.config.log;
  await publish(fleet, 5);
  await fleet.broker.jetstream.publish(`${root}.acme.broken.content.created`, '{"half');
  await using _worker = startWorker(fleet);
  await json(fleet, 'rebuild', 'memories');
  await pool.query(`delete from memories_2.memories where memory = 'm-3'`);
  const verified = await fleet.run(['projection', 'verify', 'memories']);
  expect(verified.code).toBe(1);
  expect(verified.stdout).toMatch(/\nmemories +5 +4 +differs\n/);
  expect(verified.stdout).toContain(
    'keys of memories that differ, such as:\n  tenant acme, memory m-3\n',
  );
  expect(verified.stdout).not.toContain('Ada');
  const [refused, early] = await Promise.all([
    fleet.run(['projection', 'promote', 'memories', '--json']),
    fleet.run(['projection', 'verify', 'knowledge']),
  ]);
  expect(early).toMatchObject({ code: 1, stdout: '' });
  expect(early.stderr).toMatch(
    /^memfleet: projection knowledge has no next generation\. Run .*\n$/,
  );
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('has not been verified');

  const parked = await json(fleet, 'list', '--parked');
  expect(parked).toContainEqual({
    projection: 'memories',
    generation: 1,
    tenant: 'acme',
    memory: 'broken',
    sequence: 6,
    reason: 'the bytes are not JSON',
    events: 1,
    parkedAt: expect.any(String) as string,
  });
  const redriven = await fleet.run(['projection', 'redrive', 'lineage', '--memory', 'broken']);
  expect(redriven).toMatchObject({
    code: 1,
    stdout:
      'lineage #1, acme broken: position 6: the bytes are not JSON\napplied 0 events of 0 memories, still parked 1\n',
  });
  expect(await json(fleet, 'redrive', 'lineage', '--memory', 'm-1')).toEqual([]);
});

test('Ctrl-C ends the display of a rebuild, and wrong names are wrong usage', async () => {
  await using fleet = await createCliFleet();
  await publish(fleet, 1_100);
  const child = startCli(['projection', 'rebuild', 'lineage'], {
    env: fleet.env,
    cwd: fleet.folder,
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  await until('it says why there is no progress', () =>
    stderr.includes('no worker holds this lane'),
  );
  child.kill('SIGINT');
  expect(await closed).toBe(1);
  expect(stderr).toContain('The workers continue to fill it; run the command again');
  const [wrong, nothing] = await Promise.all([
    fleet.run(['projection', 'rebuild', 'memorys']),
    fleet.run(['projection', 'rollback', 'memories']),
  ]);
  expect(wrong).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'memfleet: unknown projection memorys: there are memories, knowledge, lineage. See --help.\n',
  });
  expect(nothing).toMatchObject({ code: 1, stdout: '' });
  expect(nothing.stderr).toContain('projection memories has no previous generation');
});
