export {
  pauseCause,
  pausedStages,
  pauseStage,
  resumeStage,
  type StagePause,
} from './admission/operator-pause.ts';
export {
  defaultSettings,
  defineStage,
  type SettingsOf,
  type StageCode,
  type StageDeclaration,
  type StageDefaults,
  type StageDefinition,
  stageSettings,
  type StageSetup,
} from './definition.ts';
export { DEAD_LETTER_HEADERS } from './dead-letters/dead-letter.ts';
export { type Discarding, markDiscarded } from './dead-letters/mark-discarded.ts';
export { findLetter, type LetterFilter, readLetters } from './dead-letters/read-letters.ts';
export {
  redriveConsumer,
  redriveDurable,
  redriveStream,
  redriveStreamName,
} from './dead-letters/redrive-queue.ts';
export { removeLetter, requeueLetter } from './dead-letters/requeue.ts';
export { originalBytes, type StoredLetter } from './dead-letters/stored-letter.ts';
export { TenantQueue } from './fairness/tenant-queue.ts';
export { shareOut } from './fairness/tenant-fairness.ts';
export { type Outcome, park, PARK_REASONS, type ParkReason, retry, skip } from './outcome.ts';
export { stageTopology } from './topology.ts';
export { runStageWorker } from './stage-worker.ts';
export type { Stage, StageContext } from './stage.ts';
export type { Settled } from './job.ts';
