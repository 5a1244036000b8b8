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
  /** Waiting events; undefined while unknown. */
  readonly backlog?: number;
  readonly secondsSinceProgress: number;
}

export interface HealthSource {
  readonly worker: string;
  readonly progress: Progress;
  readonly stalledAfterMs: number;
  /** Events waiting for this worker, as last polled. */
  readonly backlog: () => number | undefined;
}

/**
 * Healthy means making progress: a process is stalled when events wait and it finishes none, even if it
 * is alive. A pause imposed by the provider is no stall: a restart would not help.
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

/** Serves /healthz: 200 while the worker makes progress or is idle, otherwise 503 with the cause. */
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
        // A probe's keep-alive connection must not delay the exit.
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}
