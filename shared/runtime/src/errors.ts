import { CodedError, EVENT_ERRORS } from '@memfleet/events';

/** Every error that the fleet raises on purpose: its code, and what to do. docs/errors.md lists them. */
export const RUNTIME_ERRORS = {
  CONFIG_INVALID: 'Fix the listed settings; config/fleet.yaml explains each one.',
  USAGE: 'See --help.',
  BROKER_UNREACHABLE:
    'Check NATS_URL and that the server is up, or start a fleet with `memfleet up`.',
  BROKER_TOO_OLD: 'Upgrade nats-server.',
  BROKER_REFUSED: 'Check the credentials and their permissions on JetStream.',
  DATABASE_UNREACHABLE:
    'Check DATABASE_URL and that PostgreSQL is up, or start a fleet with `memfleet up`.',
  DATABASE_OUTDATED: 'Run `memfleet provision` with this version.',
  DATABASE_NEWER: 'The database was migrated by a newer version; run that version, or a newer one.',
  TRANSACTION_ABORTED:
    'Nothing was committed. Let the error of a statement pass, or enclose the statement in a savepoint.',
  MIGRATION_CHANGED: 'A migration that was applied has been edited; restore it and add a new one.',
  STREAM_MISSING: EVENT_ERRORS.STREAM_MISSING,
  DEAD_LETTERS_FULL:
    'Raise the limit of the dead-letter stream, or discard letters; the stage takes no new events until it has room.',
  DEAD_LETTERS_REFUSED:
    'Check the dead-letter stream and the permissions on its subjects; the stage takes no new events until a letter is accepted.',
  CONSUMER_MISSING: 'Run `memfleet provision` first.',
  DRIFT: 'Run `memfleet provision` to bring the deployment in line with the configuration.',
  LOG_DIFFERS:
    'Set log.root and log.partitions to the values the stream was created with; they cannot be changed.',
  LANE_HALTED: 'Nothing was overwritten. Restore the right stream, or rebuild the projection.',
  LANE_UNOWNED:
    'Start a projection worker of that version; `memfleet projection status` shows every lane.',
  PROJECTION_BEHIND: 'Wait longer, or see with `memfleet projection status` what delays the lanes.',
  EVENT_PARKED:
    '`memfleet projection list --parked` names the memory; fix the cause, then `memfleet projection redrive <projection>`.',
  VIEWS_BUSY:
    'Nothing was changed. End the long query on the views (pg_stat_activity shows it), or try again later.',
  VECTORS_NOT_INDEXABLE:
    'Do what the message says; until then searches compare vectors one by one.',
  RECALL_QUERY_INVALID: 'Correct what the message names.',
  RECALL_QUERY_EMPTY: 'Ask for at least one word; -words alone only exclude memories.',
  NOT_FOUND: 'Check the id.',
  SERVER_NOT_FOUND: 'Install it, or point to one that runs.',
  SERVER_FAILED: 'Its last log lines say why; fix that and start again.',
  DATA_IN_USE: 'Stop the other one, or choose another folder.',
  DATA_OF_OTHER_VERSION:
    'Move the folder away to project everything from the log again, or run that version.',
  FLEET_RUNNING: 'Use it as it is, stop it with Ctrl-C, or choose another folder with --state.',
  FLEET_FAILED: 'The logs say why; the log in NATS is unharmed, start again.',
} as const;

export type RuntimeErrorCode = keyof typeof RUNTIME_ERRORS;

export class RuntimeError extends CodedError<RuntimeErrorCode> {
  override readonly name = 'RuntimeError';

  constructor(code: RuntimeErrorCode, message: string, cause?: unknown) {
    super(code, message, RUNTIME_ERRORS[code], cause);
  }
}

/** Every code, for docs/errors.md and its test. */
export const ALL_ERRORS: Readonly<Record<string, string>> = { ...EVENT_ERRORS, ...RUNTIME_ERRORS };

/** The text of any thrown value, including causes, in one line. It never throws itself. */
export function messageOf(error: unknown): string {
  try {
    return textOf(error);
  } catch {
    // An object without a prototype, or a getter that throws: nothing more can be said about it.
    return 'an error without a text';
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map(messageOf).join('; ');
  }
  return error.message === '' ? error.name : error.message;
}
