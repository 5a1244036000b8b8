import {
  canonicalJson,
  type EventType,
  isStorable,
  latestVersion,
  nameBasedId,
  registry,
  TOKEN_PATTERN,
} from '@memfleet/events';
import { didYouMean } from '@memfleet/runtime';
import type { Occurrences } from './occurrences.ts';

/** The event of a line, before the publisher checks it against its schema. */
export interface LineEvent {
  readonly event: Readonly<Record<string, unknown>>;
  /** Set when the line has no time: publishing it again may assign another. */
  readonly timeIsAssigned: boolean;
}

/** A line that is no event. The message gives the reason and never quotes a value. */
export class LineProblem extends Error {
  override readonly name = 'LineProblem';
}

const SHORT_FIELDS = [
  'tenant',
  'memory',
  'type',
  'data',
  'id',
  'time',
  'correlation',
  'version',
] as const;

/** Any of these fields marks a whole envelope. */
const ENVELOPE_MARKS = ['specversion', 'tenantid', 'schemaversion'] as const;

interface ShortForm {
  readonly tenant: string;
  readonly memory: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly id?: string;
  readonly time?: string;
  readonly correlation?: string;
  readonly version?: number;
}

/**
 * Reads a line as a whole envelope or as the short form. `occurrences` counts the lines of one file: a
 * short-form line without an id gets one derived from its content and its count so far.
 * @throws LineProblem
 */
export function eventOfLine(
  text: string,
  options: { readonly source: string; readonly occurrences: Occurrences; readonly now: Date },
): LineEvent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the input.
    throw new LineProblem('the line is not JSON');
  }
  if (!isRecord(value)) throw new LineProblem('the line is not a JSON object');
  if (ENVELOPE_MARKS.some((mark) => mark in value)) return { event: value, timeIsAssigned: false };
  const short = readShortForm(value);
  const definition = definitionOf(short.type);
  const id = short.id ?? idOf(short, options);
  return {
    event: {
      specversion: '1.0',
      id,
      source: options.source,
      type: short.type,
      subject: short.memory,
      time: short.time ?? options.now.toISOString(),
      datacontenttype: 'application/json',
      data: short.data,
      schemaversion: short.version ?? latestVersion(definition),
      tenantid: short.tenant,
      correlationid: short.correlation ?? id,
      causationid: id,
    },
    timeIsAssigned: short.time === undefined,
  };
}

function definitionOf(type: string): EventType {
  const definition = registry.definition(type);
  if (definition !== undefined) return definition;
  const known = registry.types.map((candidate) => candidate.type);
  throw new LineProblem(`type: not a known type${didYouMean(type, known)}`);
}

function idOf(
  short: ShortForm,
  { source, occurrences }: { readonly source: string; readonly occurrences: Occurrences },
): string {
  let said: string;
  try {
    said = canonicalJson([source, short]);
  } catch {
    // JSON.parse takes deeper nesting than a recursive writer has stack for.
    throw new LineProblem('data: nested too deeply');
  }
  return nameBasedId('publish', said, String(occurrences.count(said)));
}

/** @throws LineProblem that names every field which does not fit */
function readShortForm(value: Readonly<Record<string, unknown>>): ShortForm {
  const problems: string[] = [];
  for (const field of Object.keys(value)) {
    if (SHORT_FIELDS.some((known) => known === field)) continue;
    problems.push(`${fieldName(field)}: not a field of the short form${near(field)}`);
  }
  for (const field of ['tenant', 'memory'] as const) {
    const token = value[field];
    if (typeof token !== 'string' || !TOKEN_PATTERN.test(token)) {
      problems.push(`${field}: must be 1 to 64 letters, digits, "_" or "-"`);
    }
  }
  for (const field of ['type', 'id', 'time', 'correlation'] as const) {
    const text = value[field];
    if (field !== 'type' && text === undefined) continue;
    if (typeof text !== 'string' || text === '') problems.push(`${field}: must be a text`);
  }
  if (!isRecord(value['data'])) problems.push('data: must be an object');
  const { version } = value;
  if (version !== undefined && !(Number.isInteger(version) && Number(version) >= 1)) {
    problems.push('version: must be a whole number from 1');
  }
  if (problems.length > 0) throw new LineProblem(problems.join('; '));
  // Every field was checked above, so the cast is safe.
  return value as unknown as ShortForm;
}

function near(field: string): string {
  return didYouMean(field, SHORT_FIELDS);
}

/** A field's name, unless it is long or strange enough to be content. */
function fieldName(field: string): string {
  return /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/.test(field) && isStorable(field) ? field : 'a field';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
