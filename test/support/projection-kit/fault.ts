import { inspect } from 'node:util';

/** The property that a projection violated. */
export type Check =
  | 'fixture'
  | 'reading'
  | 'frozen globals'
  | 'frozen events'
  | 'operations'
  | 'guards'
  | 'twice'
  | 'batches'
  | 'redelivery'
  | 'copies'
  | 'lanes'
  | 'tables.sql'
  | 'PostgreSQL';

export interface FaultDetails {
  readonly projection: string;
  readonly check: Check;
  /** One sentence: what is wrong. */
  readonly what: string;
  /** The place: rows, columns, events; one line each. */
  readonly where?: readonly string[];
  /** What the author should do. */
  readonly hint: string;
}

/** A projection violates a rule: the check that failed, the place, and what to do. */
export class ProjectionFault extends Error {
  override readonly name = 'ProjectionFault';
  readonly check: Check;

  constructor({ projection, check, what, where = [], hint }: FaultDetails) {
    const lines = [`projection ${projection}, check "${check}": ${what}`, ...where.map(indented)];
    super([...lines, `  what to do: ${hint}`].join('\n'));
    this.check = check;
  }
}

function indented(line: string): string {
  return `  ${line}`;
}

/** A value as a person would write it into a test; long texts are cut. */
export function shown(value: unknown): string {
  const text = inspect(value, { depth: 5, breakLength: Number.POSITIVE_INFINITY });
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

/** `tenant "t-0", memory "m-1"` */
export function shownKey(key: Readonly<Record<string, unknown>>): string {
  return Object.entries(key)
    .map(([name, value]) => `${name} ${shown(value)}`)
    .join(', ');
}
