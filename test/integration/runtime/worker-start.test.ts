import { fileURLToPath } from 'node:url';
import { provisionFleet } from '@memfleet/fleet';
import { PROJECTIONS } from '@memfleet/projections';
import { expect, inject, test } from 'vitest';
import { connectTestBroker } from '../../support/broker.ts';
import { createTestDatabase } from '../../support/database.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';
import { startTcpGate, type TcpGate } from '../../support/tcp-gate.ts';
import { environmentOf } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { WorkerProcess } from '../../support/worker-process.ts';

const WORKERS = ['extraction', 'embedding', 'projection'];

const restarted = (gate: TcpGate): void => gate.cut();
const silent = (gate: TcpGate): void => gate.close();

interface Case {
  readonly worker: string;
  readonly what: string;
  readonly take: (gate: TcpGate) => void;
  /** Ends it while it waits. */
  readonly isStopped?: boolean;
}

const CASES: readonly Case[] = [
  ...WORKERS.map((worker) => ({ worker, what: 'is being restarted', take: restarted })),
  { worker: 'extraction', what: 'does not answer', take: silent },
  { worker: 'projection', what: 'does not answer', take: silent, isStopped: true },
];

test.each(CASES)(
  'a starting worker waits for a broker that $what: $worker',
  async ({ worker: name, take, isStopped = false }) => {
    const settings = {
      ...uniqueNames(),
      'broker.requestTimeout': '250ms',
      'workers.report': '100ms',
    };
    const config = testSettings(settings);
    await using broker = await connectTestBroker();
    await using database = await createTestDatabase();
    const { pool } = database;
    await provisionFleet({ config, jsm: broker.jsm, pool, projections: PROJECTIONS });
    const nats = new URL(inject('natsUrl'));
    await using gate = await startTcpGate(nats.hostname, Number(nats.port));

    // It writes its first report once it is connected, before it asks for streams and durables.
    const holder = await pool.connect();
    await holder.query('begin; lock table memfleet.worker_reports in access exclusive mode');
    const main = fileURLToPath(new URL(`../../../workers/${name}/src/main.ts`, import.meta.url));
    await using worker = new WorkerProcess(main, {
      ...environmentOf(settings),
      NATS_URL: `nats://127.0.0.1:${gate.port}`,
      DATABASE_URL: database.url,
    });
    await until('it is about to report', async () => {
      const { rows } = await pool.query(
        `select from pg_locks where not granted and relation = 'memfleet.worker_reports'::regclass`,
      );
      return rows.length > 0;
    });
    take(gate);
    await holder.query('rollback');
    holder.release();
    await until('it says that nobody answers', () => {
      if (!worker.isRunning) throw new Error(`it ended:\n${worker.log}`);
      return worker.log.includes('no answer at the start, trying again');
    });
    if (!isStopped) {
      gate.open();
      await until('it asks for events', async () => {
        for await (const { num_waiting } of broker.jsm.consumers.list(config.log.stream)) {
          if (num_waiting > 0) return true;
        }
        return false;
      });
    }
    worker.kill('SIGTERM');
    expect(await worker.ended()).toBe(0);
  },
);
