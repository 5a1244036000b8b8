import { join } from 'node:path';
import { EventError, MEMORY_KINDS, TOKEN_PATTERN, validated } from '@memfleet/events';
import { fold, words } from '@memfleet/projections';
import type { RecallScope } from '@memfleet/recall';
import { didYouMean } from '@memfleet/runtime';
import { CommandError } from '../../failure.ts';
import { note } from '../../output.ts';
import { parseTime } from '../../parse-time.ts';
import { openInput } from '../../publish/input.ts';
import { eventOfLine, LineProblem } from '../../publish/line-event.ts';
import { readLines } from '../../publish/lines.ts';
import { Occurrences } from '../../publish/occurrences.ts';
import { printable } from '../../words.ts';
import { OVERALL } from './metrics.ts';

/** The events to process, and the questions about them. */
export interface Corpus {
  /** Whole envelopes, in the order of the file. */
  readonly events: readonly CorpusEvent[];
  readonly questions: readonly Question[];
}

export interface CorpusEvent {
  readonly line: number;
  readonly event: Readonly<Record<string, unknown>>;
}

export interface Question {
  readonly line: number;
  readonly tenant: string;
  readonly question: string;
  /** The memories that answer it. */
  readonly expected: readonly string[];
  readonly category?: string;
  readonly scope: RecallScope;
}

/** A longer line is neither an event nor a question. */
const MAX_LINE_BYTES = 1_048_576;
/** After this many bad lines, the file probably has another format. */
const MAX_PROBLEMS = 20;
const LONGEST_QUESTION = 2_000;

/**
 * Reads `events.jsonl` and `questions.jsonl` of a folder, and checks every line before it uses any. It
 * prints bad lines with their numbers.
 * @throws UsageError when a file cannot be read
 * @throws CommandError when a line is bad or a file is empty
 */
export async function readCorpus(folder: string, signal: AbortSignal): Promise<Corpus> {
  const problems = new Problems();
  const reading = { source: '/memfleet/bench', occurrences: new Occurrences(), now: new Date() };
  const events = await readFile(folder, 'events.jsonl', problems, signal, (text, line) => {
    const { event } = eventOfLine(text, reading);
    return { line, event: { ...validated(event) } };
  });
  const known = new Set(events.map(({ event }) => addressOf(event['tenantid'], event['subject'])));
  const questions = await readFile(folder, 'questions.jsonl', problems, signal, (text, line) =>
    questionOf(text, line, known),
  );
  if (problems.count > 0) {
    const lines = problems.count === 1 ? '1 line is' : `${problems.count} lines are`;
    throw new CommandError(
      `${lines} wrong in ${folder}`,
      'Correct them; the line numbers are above.',
    );
  }
  if (events.length === 0 || questions.length === 0) {
    const empty = events.length === 0 ? 'events.jsonl' : 'questions.jsonl';
    throw new CommandError(`${join(folder, empty)} is empty`, 'Put one JSON object on each line.');
  }
  return { events, questions };
}

async function readFile<Item>(
  folder: string,
  name: string,
  problems: Problems,
  signal: AbortSignal,
  itemOf: (text: string, line: number) => Item,
): Promise<Item[]> {
  await using input = await openInput(join(folder, name), { rereadable: false, signal });
  const items: Item[] = [];
  for await (const { lines } of readLines(input.chunks(signal), MAX_LINE_BYTES)) {
    for (const line of lines) {
      if ('problem' in line) {
        problems.add(name, line.number, line.problem);
        continue;
      }
      try {
        items.push(itemOf(line.text, line.number));
      } catch (error) {
        if (!(error instanceof LineProblem || error instanceof EventError)) throw error;
        problems.add(name, line.number, error.message);
      }
    }
  }
  return items;
}

/** Prints and counts the problems of lines. */
class Problems {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(file: string, line: number, reason: string): void {
    this.#count += 1;
    if (this.#count <= MAX_PROBLEMS) note(`memfleet: ${file}:${line}: ${printable(reason)}`);
    if (this.#count === MAX_PROBLEMS + 1) note('memfleet: … and more');
  }
}

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => string | undefined;

const QUESTION_FIELDS: Readonly<Record<string, Check>> = {
  tenant: (value) =>
    typeof value === 'string' && TOKEN_PATTERN.test(value)
      ? undefined
      : 'must be 1 to 64 letters, digits, "_" or "-"',
  question: (value) =>
    typeof value === 'string' && words(fold(value)).length > 0 && value.length <= LONGEST_QUESTION
      ? undefined
      : `must be a text of 1 to ${LONGEST_QUESTION} characters with a word in it`,
  expected: (value) =>
    Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string')
      ? undefined
      : 'must be a list of memories, at least one',
  category: (value) => {
    if (value === OVERALL) return `"${OVERALL}" is the name of the sum of all categories`;
    return optional(isText, 'must be a text')(value);
  },
  user: optional(isText, 'must be a text'),
  agent: optional(isText, 'must be a text'),
  session: optional(isText, 'must be a text'),
  kind: optional(
    (value) => MEMORY_KINDS.some((kind) => kind === value),
    `must be one of ${MEMORY_KINDS.join(', ')}`,
  ),
  since: optional(isTime, 'must be a time, such as 2026-01-31T12:00:00Z'),
  until: optional(isTime, 'must be a time, such as 2026-01-31T12:00:00Z'),
  importance: optional(
    (value) => typeof value === 'number' && value >= 0 && value <= 1,
    'must be a number from 0 to 1',
  ),
};

/**
 * Reads a question. Every field but the first four narrows the search.
 * @throws LineProblem that names every field which does not fit
 */
export function questionOf(text: string, line: number, known: ReadonlySet<string>): Question {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the input.
    throw new LineProblem('the line is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LineProblem('the line is not a JSON object');
  }
  const fields = value as Fields;
  const names = Object.keys(QUESTION_FIELDS);
  const problems = Object.keys(fields)
    .filter((name) => !Object.hasOwn(QUESTION_FIELDS, name))
    .map((name) => `${name.slice(0, 32)}: not a field of a question${didYouMean(name, names)}`);
  for (const [name, check] of Object.entries(QUESTION_FIELDS)) {
    const problem = check(fields[name]);
    if (problem !== undefined) problems.push(`${name}: ${problem}`);
  }
  if (problems.length > 0) throw new LineProblem(problems.join('; '));
  // Every field was checked above, so the cast is safe.
  const { tenant, question, expected, category, kind, since, until, ...rest } =
    fields as unknown as QuestionLine;
  const missing = expected.find((memory) => !known.has(addressOf(tenant, memory)));
  if (missing !== undefined) {
    throw new LineProblem(`expected: events.jsonl has no memory ${missing} of tenant ${tenant}`);
  }
  return {
    line,
    tenant,
    question,
    expected,
    ...(category === undefined ? {} : { category }),
    scope: {
      ...rest,
      ...(kind === undefined ? {} : { kinds: [kind] }),
      ...(since === undefined ? {} : { since: parseTime(since) as Date }),
      ...(until === undefined ? {} : { until: parseTime(until) as Date }),
    },
  };
}

interface QuestionLine {
  readonly tenant: string;
  readonly question: string;
  readonly expected: readonly string[];
  readonly category?: string;
  readonly user?: string;
  readonly agent?: string;
  readonly session?: string;
  readonly kind?: (typeof MEMORY_KINDS)[number];
  readonly since?: string;
  readonly until?: string;
  readonly importance?: number;
}

export function addressOf(tenant: unknown, memory: unknown): string {
  return `${String(tenant)} ${String(memory)}`;
}

function optional(fits: (value: unknown) => boolean, problem: string): Check {
  return (value) => (value === undefined || fits(value) ? undefined : problem);
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && parseTime(value) !== undefined;
}
