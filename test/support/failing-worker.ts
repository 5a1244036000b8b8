import { setTimeout as delay } from 'node:timers/promises';
import { loadConfig } from '@memfleet/fleet';
import {
  type ConfigSources,
  type FleetConfig,
  runWorker,
  type WorkerContext,
} from '@memfleet/runtime';

/** A worker in which something fails that nobody waits for: FAILURE says how. */
const failures: Readonly<Record<string, (context: WorkerContext) => void>> = {
  closed: ({ connection }) => void connection.close(),
  rejection: () => void Promise.reject(new Error('a promise that nobody waits for')),
  twice: () => {
    void Promise.reject(new Error('a promise that nobody waits for'));
    void Promise.reject(new Error('another of the same fault'));
  },
  exception: () => void setImmediate(throwing),
  nothing: () => void Promise.reject(Object.create(null) as Error),
};

function throwing(): never {
  throw new Error('a callback that throws');
}

const load = async (sources: ConfigSources): Promise<FleetConfig> => loadConfig(sources);

await runWorker('extraction', load, async (context) => {
  const { signal, log, pool } = context;
  const fail = failures[process.env['FAILURE'] ?? ''] ?? throwing;
  fail(context);
  await delay(60_000, undefined, { signal }).catch(() => undefined);
  // The rest of the process is still there for what it holds.
  await pool.query('select');
  log.info('what was held is finished');
  if (process.env['AGAIN'] !== undefined) {
    fail(context);
    // Node reports these only on the next tick.
    await delay(10);
  }
});
