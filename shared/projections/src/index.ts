export { findRunnable, type Runnable, runnableOf } from './runnable.ts';
export {
  type ConflictingCopies,
  type EventCopy,
  type JudgedCopy,
  keepVerdicts,
  readConflictingCopies,
  readUnjudged,
} from './event-copies.ts';
export { type LaneStatus, laneStatus } from './lane-status.ts';
export { waitFor, type WaitOptions } from './wait-for.ts';
export { hashTables, type TableHash } from './hash.ts';
export { type Generation, readGenerations } from './generations.ts';
export { durableOf, type LaneId, lanesOf, leaseOf, schemaOf } from './lane-names.ts';
export { configuredLanes, laneConsumerOf } from './lanes.ts';
export {
  type ParkedKey,
  readParkedKeys,
  readRedriven,
  type Redriven,
  requestRedrives,
} from './parked.ts';
export type { TableComparison } from './rebuild/compare.ts';
export { buildIndexes } from './sql/indexes.ts';
export { retireGeneration } from './rebuild/retire.ts';
export { startRebuild } from './rebuild/start.ts';
export { promoteNext, rollBack } from './rebuild/promote.ts';
export type { Swap } from './rebuild/swap.ts';
export { type Verification, verifyNext } from './rebuild/verify.ts';
export type { Columns, Row } from './kit/columns.ts';
export {
  defineProjection,
  type Handler,
  handlerOf,
  isRepeatable,
  type Position,
  type Projection,
  tableNames,
} from './kit/define.ts';
export type { FixtureCopy, FixtureEvent, ProjectionFixture } from './kit/fixture.ts';
export { Fold, type KeyedRow, type SetRow } from './kit/fold.ts';
export { earliest, latest, SEALED } from './kit/guards.ts';
export {
  type KeyedTable,
  keyedTable,
  type LogTable,
  logTable,
  type Operation,
  type SetTable,
  setTable,
  type Table,
} from './kit/tables.ts';
export { appliedId, type AppliedKey } from './sql/applied.ts';
export { type BoundStatement, inFlight, runBound, type WriteStep } from './sql/statement.ts';
export { ProjectionWriter } from './sql/writer.ts';
export { fold } from './text/fold.ts';
export { indexedWord, type Language, LANGUAGES, lexemesOf } from './text/languages.ts';
export { lexemesIn } from './text/analyse.ts';
export { textOf, type Word, words } from './text/words.ts';
export { PROJECTIONS } from './projections/index.ts';
export {
  makeVectorIndex,
  vectorIndexName,
  type VectorSpace,
  vectorSpaces,
} from './vectors/vector-index.ts';
export {
  compareProjection,
  firstGeneration,
  type ProjectionTarget,
  provisionProjection,
} from './provision.ts';
