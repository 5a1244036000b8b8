/** The text to print for the error that ended a command, and its exit code. */
export interface Failure {
  readonly text: string;
  readonly exitCode: 1 | 2;
}

/** Codes that blame the user's input or configuration rather than an event at run time. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  'USAGE',
  'CONFIG_INVALID',
  'RECALL_QUERY_EMPTY',
  'RECALL_QUERY_INVALID',
]);

/** Wrong usage that a command detects only when it checks its arguments. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'USAGE';
  readonly hint = 'See --help.';
}

/** A failure that needs no code of its own: the sentence says what happened, the hint what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** PostgreSQL's codes for a missing table, view or schema. */
const MISSING_RELATION: ReadonlySet<string> = new Set(['42P01', '3F000']);

/** A view of another version lacks a column. */
const MISSING_COLUMN = '42703';

/** Nobody can fix a defect of ours without its stack. */
const DEFECTS = [TypeError, RangeError, ReferenceError, SyntaxError];

/**
 * Describes an error in one sentence (a list of settings keeps its lines). Our own errors carry a hint;
 * errors of servers and systems have none.
 */
export function describeFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { text: line(String(error)), exitCode: 1 };
  if (error.name === 'AbortError') return { text: line('interrupted.'), exitCode: 1 };
  const { code, hint } = error as { code?: unknown; hint?: unknown };
  const exitCode = typeof code === 'string' && USAGE_CODES.has(code) ? 2 : 1;
  // PostgreSQL's errors have a `hint` as well, and it may be an empty one.
  if (typeof code === 'string' && MISSING_RELATION.has(code)) {
    const missing = `the read models are not there: ${error.message}`;
    return { text: line(sentence(missing, 'Run `memfleet provision`.')), exitCode };
  }
  if (code === MISSING_COLUMN) {
    const older = `the read models are of another version: ${error.message}`;
    const remedy = '`memfleet projection status` shows their versions: rebuild and promote them.';
    return { text: line(sentence(older, remedy)), exitCode };
  }
  if (typeof hint === 'string' && hint !== '') {
    return { text: line(sentence(error.message, hint)), exitCode };
  }
  const isDefect = DEFECTS.some((defect) => error instanceof defect);
  return { text: line(isDefect ? (error.stack ?? error.message) : error.message), exitCode };
}

/** A list keeps its lines, and the hint follows below it. */
function sentence(message: string, hint: string): string {
  if (message.includes('\n')) return `${message}\n${hint}`;
  return /[.?!]$/.test(message) ? `${message} ${hint}` : `${message}. ${hint}`;
}

function line(text: string): string {
  return `memfleet: ${text}\n`;
}
