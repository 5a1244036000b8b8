import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Envelope, registry, verbOf } from '@memfleet/events';
import { provisionFleet, type BuiltInConfig } from '@memfleet/fleet';
import type { Projection } from '@memfleet/projections';
import {
  createLogger,
  isTransientDatabaseError,
  messageOf,
  type Pool,
  Progress,
} from '@memfleet/runtime';
import { type EngineContext, runEngine } from '../../workers/projection/src/engine/engine.ts';
import type { BrokerClients } from './broker.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { PATIENCE } from './until.ts';

/** Concurrent appends: one connection keeps their order. */
const PIPELINED = 200;

/** Appends events as they are given, copies included: the log of a publisher that retries late. */
export async function appendAll(
  broker: BrokerClients,
  config: BuiltInConfig,
  events: readonly Envelope[],
): Promise<void> {
  for (let start = 0; start < events.length; start += PIPELINED) {
    const some = events.slice(start, start + PIPELINED);
    await Promise.all(
      some.map((event) => appendBytes(broker, subjectOf(config, event), JSON.stringify(event))),
    );
  }
}

/** Where an event is published. */
export function subjectOf({ log }: BuiltInConfig, event: Envelope): string {
  const eventClass = registry.definition(event.type)?.eventClass ?? 'content';
  return `${log.root}.${event.tenantid}.${event.subject}.${eventClass}.${verbOf(event.type)}`;
}

export async function appendBytes(
  broker: BrokerClients,
  subject: string,
  payload: string | Uint8Array,
): Promise<number> {
  const { seq } = await broker.jetstream.publish(subject, payload);
  return seq;
}

/** Settings by path as environment variables of a process: `log.root` → `MEMFLEET_LOG_ROOT`. */
export function environmentOf(settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([path, value]) => [
      `MEMFLEET_${path.replaceAll(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`,
      value,
    ]),
  );
}

export interface TestFleet extends AsyncDisposable {
  readonly config: BuiltInConfig;
  readonly pool: Pool;
  readonly url: string;
  /** Starts another worker's engine; it ends with `stop` or with the fleet. */
  readonly start: (
    overrides?: Partial<EngineContext>,
    code?: readonly Projection[],
  ) => RunningEngine;
  /** Waits until every given projection has applied everything up to the position. */
  readonly applied: (sequence: number, limitMs?: number) => Promise<void>;
}

export interface RunningEngine {
  readonly progress: Progress;
  readonly instance: string;
  /** The engine's own end: rejects when it fails. */
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
}

/** A provisioned database of its own over the stream that the configuration names. */
export async function createTestFleet(
  broker: BrokerClients,
  config: BuiltInConfig,
  projections: readonly Projection[],
): Promise<TestFleet> {
  const database: TestDatabase = await createTestDatabase();
  const { pool, url } = database;
  await provisionFleet({ config, jsm: broker.jsm, pool, projections });
  const running = new Set<RunningEngine>();

  const start = (
    overrides: Partial<EngineContext> = {},
    code: readonly Projection[] = projections,
  ): RunningEngine => {
    const abort = new AbortController();
    const progress = new Progress();
    progress.started();
    const instance = overrides.instance ?? `test-${randomUUID()}`;
    const ended = runEngine(
      {
        config,
        connection: broker.connection,
        jetstream: broker.jetstream,
        jsm: broker.jsm,
        pool,
        log: createLogger({ worker: 'test', level: 'silent' }),
        progress,
        instance,
        signal: abort.signal,
        ...overrides,
      },
      code,
    );
    const engine: RunningEngine = {
      progress,
      instance,
      ended,
      stop: async () => {
        running.delete(engine);
        abort.abort();
        await ended;
      },
    };
    // A waiter sees the failure, but nobody needs to wait.
    ended.catch(() => undefined);
    running.add(engine);
    return engine;
  };

  const applied = async (sequence: number, limitMs = 45_000): Promise<void> => {
    const limit = new AbortController();
    const timer = setTimeout(
      () => limit.abort(new Error(`position ${sequence} was not reached`)),
      limitMs * PATIENCE,
    );
    // A failing engine should report its error, not only a timeout.
    const failed = Promise.race([...running].map(({ ended }) => ended)).then(() => {
      throw new Error('an engine ended early');
    });
    try {
      await Promise.race([failed, reached(pool, projections, sequence, limit.signal)]);
    } catch (error) {
      throw new Error(messageOf(error), { cause: error });
    } finally {
      clearTimeout(timer);
      limit.abort();
    }
  };

  return {
    config,
    pool,
    url,
    start,
    applied,
    async [Symbol.asyncDispose]() {
      await Promise.allSettled([...running].map(({ stop }) => stop()));
      await database[Symbol.asyncDispose]();
    },
  };
}

/**
 * Waits until every lane has passed the position, even if events are parked or lanes halt and continue, since
 * those are under test. An application calls `waitFor`.
 */
async function reached(
  pool: Pool,
  projections: readonly Projection[],
  sequence: number,
  signal: AbortSignal,
): Promise<void> {
  const names = projections.map(({ name }) => name);
  while (!signal.aborted) {
    try {
      const { rows } = await pool.query<{ position: string }>({
        name: 'reached',
        text: `select min(position) as position from memfleet.checkpoints
          join memfleet.projection_generations using (projection, generation)
          where projection = any ($1) and state = 'live'`,
        values: [names],
      });
      if (Number(rows[0]?.position ?? 0) >= sequence) return;
    } catch (error) {
      // A database that a test makes fail comes back.
      if (!isTransientDatabaseError(error)) throw error;
    }
    await delay(10, undefined, { signal }).catch(() => undefined);
  }
  throw signal.reason;
}
