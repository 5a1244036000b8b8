export {
  type BrokerAddress,
  connectBroker,
  isAtLeast,
  MINIMUM_SERVER,
  redactServers,
} from './broker/connect.ts';
export {
  consumerInfo,
  jetStreamManager,
  type JetStreamManager,
  type StoredMsg,
  streamInfo,
} from './broker/manager.ts';
export {
  type Change,
  checkConsumers,
  checkLog,
  compareTopology,
  describeChange,
  provisionTopology,
  refuseDrift,
} from './broker/provision.ts';
export { isTransientBrokerError } from './broker/transient.ts';
export type { Delivery } from './broker/delivery.ts';
export { pull, type PullOptions } from './broker/pull.ts';
export {
  laneConsumer,
  type Topology,
  partitionFilter,
  topologyOf,
  type WantedConsumer,
  type WantedStream,
} from './broker/topology.ts';
export { type Connections, findBroker, findConnections } from './config/connections.ts';
export { type FleetFile, fleetFilePath, readFleetFile } from './config/fleet-file.ts';
export { type ConfigSources, loadConfig } from './config/load.ts';
export type {
  ExtractionProviderConfig,
  FleetConfig,
  StageConfig,
  StageName,
} from './config/schema.ts';
export { didYouMean } from './config/suggest.ts';
export {
  bigintArray,
  type Cell,
  doubleArray,
  textArray,
  UnwritableValue,
} from './database/binary-array.ts';
export { checkMigrated, migrate, pendingMigrations } from './database/migrate.ts';
export { checkDatabase, createPool, redactUrl } from './database/pool.ts';
export type { Client, Pool, Queryable } from './database/connection.ts';
export {
  makeVectorIndex,
  type VectorSpace,
  vectorIndexName,
  vectorSpaces,
} from './database/vector-index.ts';
export { withoutTimeLimit } from './database/time-limit.ts';
export { realArray } from './database/real-array.ts';
export {
  isTransientDatabaseError,
  retryTransient,
  sqlState,
  transaction,
} from './database/transaction.ts';
export { flight, type FlightStatement } from './database/flight.ts';
export { DEAD_LETTER_HEADERS } from './dead-letters/dead-letter.ts';
export { type Discarding, markDiscarded } from './dead-letters/mark-discarded.ts';
export { findLetter, type LetterFilter, readLetters } from './dead-letters/read-letters.ts';
export { redriveDurable, redriveStreamName } from './dead-letters/redrive-queue.ts';
export { removeLetter, requeueLetter } from './dead-letters/requeue.ts';
export { originalBytes, type StoredLetter } from './dead-letters/stored-letter.ts';
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
} from './lease.ts';
export { type Health, healthOf, serveHealth } from './lifecycle/health.ts';
export { Progress, type WorkerState } from './lifecycle/progress.ts';
export { GONE_AFTER_MS } from './lifecycle/reporter.ts';
export { WORKER_FLAGS } from './lifecycle/node-flags.ts';
export { DEFAULT_CONFIG, runWorker, type WorkerContext } from './lifecycle/worker.ts';
export { createLogger, type Logger } from './observe/log.ts';
export { classifyProviderError } from './providers/classify.ts';
export { Budget, BudgetSpent, type Cost } from './providers/budget.ts';
export { CallLimit } from './providers/call-limit.ts';
export { RateLimiter } from './providers/limiter.ts';
export { ProviderState } from './providers/provider-state.ts';
export { addSpend, EVERY_TENANT, readSpend } from './providers/spend.ts';
export {
  PROVIDER_ERROR_CLASSES,
  ProviderError,
  type ProviderErrorClass,
} from './providers/provider-error.ts';
export { Coalescer } from './work/coalescer.ts';
export { CRASH_POINTS, type CrashPoint, crashPoint } from './work/crash-points.ts';
export { TenantQueue } from './work/tenant-queue.ts';
export { shareOut } from './work/turns.ts';
export { ProviderGate } from './work/gate.ts';
export { type Outcome, park, PARK_REASONS, type ParkReason, retry, skip } from './work/outcome.ts';
export { runStageWorker } from './work/stage-worker.ts';
export type { Stage, StageContext } from './work/stage.ts';
export { beginAll, SharedWaits, type Waiting, Waits } from './work/waits.ts';
export { type PaidResult, ResultCache, resultKey, storeResults } from './work/result-cache.ts';
