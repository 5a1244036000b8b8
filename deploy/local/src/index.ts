export type { LocalServer, ServerCallbacks, ServerExit } from './server.ts';
export { startNatsServer } from './nats/start.ts';
export type { NatsServerOptions } from './nats/options.ts';
export { startPostgres } from './postgres/start.ts';
export type { PostgresOptions } from './postgres/options.ts';
export { removePostgresData } from './postgres/data-place.ts';
export { leash } from './leash.ts';
export type { Leashed, LeashOptions } from './leash.ts';
export { cacheDir } from './cache-dir.ts';
export { freePort } from './free-port.ts';
export { startFleet } from './fleet/start.ts';
export {
  type Fleet,
  FLEET_WORKERS,
  type FleetOptions,
  type RunningWorker,
} from './fleet/options.ts';
