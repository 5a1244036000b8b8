import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@memfleet/fleet';
import { hashTables, PROJECTIONS } from '@memfleet/projections';
import {
  connectBroker,
  createPool,
  DEFAULT_CONFIG,
  jetStreamManager,
  type Pool,
} from '@memfleet/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { caughtUp as learnt } from '../../workers/cli/src/demo/backlog.ts';
import { ProgressBar } from '../../workers/cli/src/progress-bar.ts';
import { runCommand, type RunningCommand, startCommand } from '../support/cli.ts';
import { processesOf } from '../support/processes.ts';
import { until } from '../support/until.ts';

const LINES = 1_500;
const WORKERS = ['extraction', 'embedding', 'projection'];

/** Redelivery and takeover as in production, only sooner: the test checks that nothing is lost. */
const SOONER = {
  MEMFLEET_STAGES_EXTRACTION_ACK_WAIT: '2s',
  MEMFLEET_STAGES_EXTRACTION_LEASE: '3s',
  MEMFLEET_STAGES_EMBEDDING_ACK_WAIT: '2s',
  MEMFLEET_STAGES_EMBEDDING_LEASE: '3s',
  MEMFLEET_PROJECTIONS_LEASE: '2s',
};

/** Under its usual names: the servers are its own. */
const config = loadConfig({ defaults: DEFAULT_CONFIG, env: SOONER });

const readyLine = z.strictObject({
  ready: z.literal(true),
  natsUrl: z.string(),
  databaseUrl: z.string(),
  consoleUrl: z.null(),
});
const statusLine = z.object({
  stream: z.object({ lastSequence: z.number() }),
  workers: z.array(z.object({ worker: z.string(), lagEvents: z.number() })),
  projections: z.array(z.object({ lanes: z.array(z.object({ lagEvents: z.number() })) })),
});

interface UpFleet {
  readonly command: RunningCommand;
  readonly stateDir: string;
  readonly natsUrl: string;
  readonly pool: Pool;
}

let folder: string;
let file: string;
const started: RunningCommand[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'memfleet-e2e-up-'));
  file = join(folder, 'memories.jsonl');
  await writeFile(file, `${Array.from({ length: LINES }, (_, index) => line(index)).join('\n')}\n`);
});

afterAll(async () => {
  for (const command of started) command.process.kill('SIGKILL');
  await Promise.all(started.map(({ ended }) => ended));
  await rm(folder, { recursive: true, force: true });
});

describe('memfleet up', () => {
  it('learns a file once, even if its workers die meanwhile, and ends without a trace', async () => {
    const calm = await startUp('calm');
    await publish(calm, { published: LINES, duplicates: 0, rejected: 0 });
    await caughtUp(calm);
    const expected = await contents(calm.pool);
    expect(expected['memories']?.rows).toBe(LINES / 2);
    expect(expected['lineage']?.rows).toBeGreaterThan(LINES * 2);

    // The same file again: nothing changes, not even positions in the log, and no model is called.
    const before = await exactly(calm.pool);
    await publish(calm, { published: 0, duplicates: LINES, rejected: 0 });
    await caughtUp(calm);
    expect(await exactly(calm.pool)).toEqual(before);

    await calm.pool.end();
    calm.command.process.kill('SIGINT');
    expect((await calm.command.ended).code).toBe(0);
    expect(processesOf(calm.stateDir)).toEqual([]);

    const disturbed = await startUp('disturbed');
    const publishing = publish(disturbed, { published: LINES, duplicates: 0, rejected: 0 });
    const killed = new Set<number>();
    for (const worker of WORKERS) await kill(disturbed, worker, killed);
    await publishing;
    for (const worker of WORKERS) await kill(disturbed, worker, killed);
    expect(killed.size).toBe(2 * WORKERS.length);
    await caughtUp(disturbed);
    expect(await contents(disturbed.pool)).toEqual(expected);

    await disturbed.pool.end();
    disturbed.command.process.kill('SIGKILL');
    await disturbed.command.ended;
    await until('nothing of it is left', () => processesOf(disturbed.stateDir).length === 0);
  }, 300_000);
});

/** Two events per memory; every tenth content is the same as another's. */
function line(index: number): string {
  const number = Math.floor(index / 2);
  const content = `Person ${number % 10 === 0 ? 0 : number} lives in Lisbon and works as a teacher.`;
  const common = { tenant: `tenant-${number % 3}`, memory: `m-${number}`, time: at(index) };
  return JSON.stringify(
    index % 2 === 0
      ? { ...common, type: 'memory.created', data: { content, importance: 0.5 } }
      : { ...common, type: 'memory.accessed', data: { by: 'assistant', rank: 1 } },
  );
}

function at(index: number): string {
  return new Date(Date.UTC(2025, 0, 1) + index * 1_000).toISOString();
}

async function startUp(name: string): Promise<UpFleet> {
  const stateDir = join(folder, name);
  const command = startCommand(['up', '--json', '--state', stateDir], SOONER);
  started.push(command);
  const ready = readyLine.parse(JSON.parse(await command.line((text) => text.includes('ready'))));
  const pool = createPool(ready.databaseUrl, config.database, { name: 'e2e' });
  return { command, stateDir, natsUrl: ready.natsUrl, pool };
}

async function publish({ stateDir }: UpFleet, counts: object): Promise<void> {
  const { code, stdout, stderr } = await runCommand([
    'publish',
    file,
    '--json',
    '--state',
    stateDir,
  ]);
  expect({ code, stderr, counts: JSON.parse(stdout) as unknown }).toMatchObject({
    code: 0,
    counts,
  });
}

/** Waits until no events wait; `status` shows the same at the end. */
async function caughtUp({ command, stateDir, natsUrl }: UpFleet): Promise<void> {
  const connection = await connectBroker({ url: natsUrl }, config.broker, 'e2e');
  const jsm = await jetStreamManager(connection, config.broker);
  const bar = new ProgressBar({ label: 'learning', stream: { write: () => undefined } });
  try {
    await learnt(jsm, config, { bar, signal: AbortSignal.timeout(120_000) });
  } catch (error) {
    throw new Error(`the fleet did not catch up; it said:\n${command.said()}`, { cause: error });
  } finally {
    await connection.close();
  }
  const { stdout } = await runCommand(['status', '--json', '--state', stateDir], SOONER);
  const { workers, projections } = statusLine.parse(JSON.parse(stdout));
  const lags = [...workers, ...projections.flatMap(({ lanes }) => lanes)];
  expect(lags.map(({ lagEvents }) => lagEvents)).toEqual(lags.map(() => 0));
}

/** Kills the process of a worker that reported last, outright; its successor when it was killed before. */
async function kill({ pool }: UpFleet, worker: string, killed: Set<number>): Promise<void> {
  const pid = await until(`a process of ${worker}`, async () => {
    const { rows } = await pool.query<{ pid: number }>(
      `select pid from memfleet.worker_reports where worker = $1 order by started_at desc limit 1`,
      [worker],
    );
    const newest = rows[0]?.pid;
    return newest === undefined || killed.has(newest) ? undefined : newest;
  });
  process.kill(pid, 'SIGKILL');
  killed.add(pid);
}

interface Hash {
  readonly rows: number;
  readonly hash: string;
}

/**
 * The contents of the read models, without positions in the log: those of derived events depend on timing.
 * Derived events have the times at which they were made.
 */
async function contents(pool: Pool): Promise<Record<string, Hash>> {
  const views: Readonly<Record<string, string>> = {
    memories: `to_jsonb(seen) - 'sequence' - 'position' - 'content_sequence'`,
    accesses: `to_jsonb(seen) - 'sequence'`,
    embeddings: `to_jsonb(seen) - 'sequence'`,
    facts: `to_jsonb(seen) - 'sequence'`,
    mentions: `to_jsonb(seen) - 'sequence'`,
    entities: `to_jsonb(seen)`,
    lineage: `to_jsonb(seen) - 'sequence' - 'time'`,
  };
  const hashes: Record<string, Hash> = {};
  for (const [view, row] of Object.entries(views)) {
    const { rows } = await pool.query<{ rows: string; hash: string }>(
      `select count(*) as rows, coalesce(sum(hashtextextended((${row})::text, 0)::numeric), 0) as hash
       from memory.${view} as seen`,
    );
    hashes[view] = { rows: Number(rows[0]?.rows), hash: rows[0]?.hash ?? '' };
  }
  return hashes;
}

/** The tables themselves, and what the stages paid for. */
async function exactly(pool: Pool): Promise<unknown> {
  const tables = await Promise.all(
    PROJECTIONS.map((projection) => hashTables(pool, projection, 1)),
  );
  const { rows } = await pool.query(
    'select stage, count(*), sum(calls), sum(attempts) from memfleet.stage_work group by stage order by stage',
  );
  return { tables, rows };
}
