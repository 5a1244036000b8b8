import type { AddressInfo } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { Progress, WorkerState } from './progress.ts';

export interface Health {
  readonly healthy: boolean;
  readonly worker: string;
  readonly state: WorkerState;
  readonly cause?: string;
  readonly processed: number;
  readonly inFlight: number;
  /** Events that wait; undefined while it is not known. */
  readonly backlog?: number;
  readonly secondsSinceProgress: number;
}

export interface HealthSource {
  readonly worker: string;
  readonly progress: Progress;
  readonly stalledAfterMs: number;
  /** Events waiting for this worker, as last asked. */
  readonly backlog: () => number | undefined;
}

/**
 * Healthy means progress: work that waits while nothing is finished is a stall, however alive the
 * process is. A pause that the provider imposes is no stall: a restart would not help.
 */
export function healthOf({ worker, progress, stalledAfterMs, backlog }: HealthSource): Health {
  const { state, cause } = progress.state;
  const waiting = backlog();
  const isStalled =
    (waiting ?? 1) + progress.inFlight > 0 &&
    progress.quietMs > stalledAfterMs &&
    !progress.isWithinDeadline &&
    state !== 'paused' &&
    state !== 'standby';
  const why =
    isStalled && cause === undefined
      ? `no progress for ${Math.round(progress.quietMs / 1_000)} s`
      : cause;
  return {
    healthy: state !== 'halted' && !isStalled,
    worker,
    state,
    ...(why === undefined ? {} : { cause: why }),
    processed: progress.processed,
    inFlight: progress.inFlight,
    ...(waiting === undefined ? {} : { backlog: waiting }),
    secondsSinceProgress: Math.round(progress.quietMs / 100) / 10,
  };
}

/** Serves /healthz: 200 while the worker makes progress or has nothing to do, else 503 with the cause. */
export async function serveHealth(
  source: HealthSource,
  address: { readonly host: string; readonly port: number },
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const app = new Hono();
  app.get('/healthz', (context) => {
    const health = healthOf(source);
    return context.json(health, health.healthy ? 200 : 503);
  });
  const server = await new Promise<ServerType>((resolve, reject) => {
    const starting = serve({ fetch: app.fetch, hostname: address.host, port: address.port }, () =>
      resolve(starting),
    );
    starting.on('error', reject);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${address.host === '0.0.0.0' ? '127.0.0.1' : address.host}:${port}/healthz`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // A probe's keep-alive connection must not hold the exit up.
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}
