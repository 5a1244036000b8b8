export { every, type Repeated } from './async/every.ts';
export { raceAbort } from './async/race-abort.ts';
export { sleep } from './async/sleep.ts';
export { connectBroker, isAtLeast, MINIMUM_SERVER, redactServers } from './broker/connect.ts';
export {
  consumerInfo,
  type JetStreamManager,
  jetStreamManager,
  type StoredMsg,
  streamInfo,
} from './broker/manager.ts';
export {
  type Change,
  checkConsumers,
  checkFilter,
  checkLog,
  compareTopology,
  describeChange,
  provisionTopology,
  refuseDrift,
} from './broker/provision.ts';
export { isTransientBrokerError } from './broker/transient.ts';
export type { Delivery, DeliveryInfo, Received } from './broker/delivery.ts';
export { pull, type Pulled, type PullOptions, type PullRequest } from './broker/pull.ts';
export {
  countStored,
  firstStored,
  readStored,
  type Rest,
  type StoredMessage,
} from './broker/stored-messages.ts';
export {
  logTopology,
  partitionFilter,
  type Topology,
  type WantedConsumer,
  type WantedStream,
} from './broker/topology.ts';
export {
  type BrokerAddress,
  type Connections,
  findBroker,
  findConnections,
} from './config/connections.ts';
export { type FleetFile, fleetFilePath, readFleetFile } from './config/fleet-file.ts';
export {
  type ConfigSources,
  loadSettings,
  type ModuleReference,
  moduleReferences,
  type StageSettings,
} from './config/load.ts';
export type {
  BudgetConfig,
  BudgetLimits,
  FleetConfig,
  ProviderConfig,
  StageConfig,
} from './config/schema.ts';
export { didYouMean } from './config/suggest.ts';
export {
  bigintArray,
  byteaArray,
  type Cell,
  doubleArray,
  textArray,
  UnwritableValue,
} from './database/binary-array.ts';
export { checkMigrated, migrate, pendingMigrations } from './database/migrate.ts';
export { checkDatabase, createPool, redactUrl } from './database/pool.ts';
export type { Client, Pool, Queryable } from './database/connection.ts';
export { withoutTimeLimit } from './database/time-limit.ts';
export { realArray } from './database/real-array.ts';
export {
  isServerError,
  isStatementTrouble,
  isTransientDatabaseError,
  retryTransient,
  sqlState,
  transaction,
} from './database/transaction.ts';
export { flight, type FlightStatement } from './database/flight.ts';
export {
  ALL_ERRORS,
  messageOf,
  RUNTIME_ERRORS,
  RuntimeError,
  type RuntimeErrorCode,
} from './errors.ts';
export {
  acquireLease,
  heldByOthers,
  isLeaseFree,
  type Lease,
  releaseLease,
  renewLease,
} from './database/lease.ts';
export { type Health, healthOf, serveHealth } from './lifecycle/health.ts';
export { Progress, type WorkerState } from './lifecycle/progress.ts';
export { GONE_AFTER_MS } from './lifecycle/reporter.ts';
export { WORKER_FLAGS } from './lifecycle/node-flags.ts';
export { DEFAULT_CONFIG, runWorker, type WorkerContext } from './lifecycle/worker.ts';
export { createLogger, type Logger } from './observe/log.ts';
export { Batcher } from './async/batcher.ts';
export { CRASH_POINTS, type CrashPoint, crashPoint } from './lifecycle/crash-points.ts';
export { beginAll, SharedWaits, type Waiting, Waits } from './async/waits.ts';
export { AbortSource } from './async/abort-source.ts';
export { jittered } from './async/jittered.ts';
