import { z } from 'zod';
import { type Envelope, envelopeSchema } from './envelope.ts';
import { EventError } from './errors.ts';
import { type EventType, latestVersion } from './event-type.ts';
import { canonicalJson } from './payload.ts';

/**
 * The promises of this package: the schema of every version of every event type, the schema of the
 * envelope, and how golden events are read. They are kept in files; promises are added, never withdrawn.
 */
export interface Contract {
  /** By file name: `memory.created.v1.json`, `envelope.json`. */
  readonly schemas: Readonly<Record<string, JsonSchema>>;
  readonly fixtures: readonly ContractFixture[];
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/** A golden fixture, with the data that each version of a reader gets from it. */
export interface ContractFixture {
  readonly type: string;
  readonly name: string;
  readonly version: number;
  readonly data: unknown;
  readonly read: Readonly<Record<string, unknown>>;
}

/**
 * `new`: promised by the code, not yet in the files. `extended`: the envelope has more optional
 * attributes than in the files. The other two break what readers and writers rely on.
 */
export interface ContractChange {
  readonly kind: 'new' | 'extended' | 'changed' | 'removed';
  /** The subject of the change, in words for a person. */
  readonly what: string;
}

const ENVELOPE_FILE = 'envelope.json';

/** The envelope of every golden fixture, except for its type and version. */
export const FIXTURE_ENVELOPE = {
  specversion: '1.0',
  id: '019c1234-0000-7000-8000-000000000001',
  source: '/agents/a',
  subject: 'm-1',
  time: '2026-01-31T12:00:00Z',
  datacontenttype: 'application/json',
  tenantid: 'acme',
  correlationid: 'request-1',
  causationid: '019c1234-0000-7000-8000-000000000001',
} as const;

/** What the code promises today. */
export function contractOf(definitions: readonly EventType[]): Contract {
  const schemas: Record<string, JsonSchema> = { [ENVELOPE_FILE]: jsonSchema(envelopeSchema) };
  for (const definition of definitions) {
    for (const [version, schema] of Object.entries(definition.versions)) {
      schemas[`${definition.type}.v${version}.json`] = {
        title: `data of ${definition.type}, version ${version}`,
        ...jsonSchema(schema),
      };
    }
  }
  const fixtures = definitions.flatMap((definition) =>
    definition.fixtures.map(({ name, version, data }) => ({
      type: definition.type,
      name,
      version,
      data,
      read: readings(definition, { version, data }),
    })),
  );
  return { schemas, fixtures };
}

/** Every difference between what was promised and what the code promises today. */
export function compareContracts(promised: Contract, today: Contract): ContractChange[] {
  return [
    ...compareEach(promised.schemas, today.schemas, 'schema', (before, now, name) =>
      name === ENVELOPE_FILE && isExtension(before, now) ? 'extended' : 'changed',
    ),
    ...compareEach(byName(promised.fixtures), byName(today.fixtures), 'fixture', (before, now) =>
      isReadByNewer(before, now) ? 'new' : 'changed',
    ),
  ];
}

/** Whether a change withdraws a promise. */
export function isBreaking({ kind }: ContractChange): boolean {
  return kind === 'changed' || kind === 'removed';
}

/**
 * The data that a reader of that version gets from a fixture; `undefined` when no chain of upcasters
 * ends there.
 * @throws EventError EVENT_INVALID when the schema of its version refuses the data
 */
function readAs(
  definition: EventType,
  fixture: Pick<ContractFixture, 'version' | 'data'>,
  reader: number,
): unknown {
  const envelope: Envelope = {
    ...FIXTURE_ENVELOPE,
    type: definition.type,
    schemaversion: fixture.version,
    data: fixture.data as Envelope['data'],
  };
  const parsed = definition.versions[fixture.version]?.safeParse(fixture.data);
  if (parsed?.success !== true) {
    const what = `version ${fixture.version} of ${definition.type} refuses a golden fixture`;
    throw new EventError('EVENT_INVALID', what);
  }
  let { version } = fixture;
  let data: unknown = parsed.data;
  while (version < reader) {
    const step = definition.upcasters.find(({ from }) => from === version);
    if (step === undefined) return undefined;
    data = step.upcast(data as never, envelope);
    version = step.to;
  }
  return version === reader ? data : undefined;
}

/**
 * Checks the golden fixtures of a type against its code.
 * @throws EventError when one is refused, or is read as data other than it states
 */
export function checkFixtures(definition: EventType): void {
  for (const { name, version, data, latest } of definition.fixtures) {
    const read = readAs(definition, { version, data }, latestVersion(definition));
    if (read === undefined || canonicalJson(read) !== canonicalJson(latest)) {
      const what = `event type ${definition.type} reads its golden fixture "${name}" as data other than it states`;
      throw new EventError('CATALOGUE_BROKEN', what);
    }
  }
}

function readings(
  definition: EventType,
  fixture: Pick<ContractFixture, 'version' | 'data'>,
): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (let reader = fixture.version; reader <= latestVersion(definition); reader += 1) {
    const data = readAs(definition, fixture, reader);
    if (data !== undefined) read[reader] = data;
  }
  return read;
}

function jsonSchema(schema: z.ZodType): JsonSchema {
  // The schema for writers: fields that readers fill in by default are optional.
  return z.toJSONSchema(schema, { io: 'input' });
}

function compareEach<Part>(
  before: Readonly<Record<string, Part>>,
  now: Readonly<Record<string, Part>>,
  what: string,
  kindOf: (before: Part, now: Part, name: string) => ContractChange['kind'],
): ContractChange[] {
  const changes: ContractChange[] = [];
  for (const [name, part] of Object.entries(before)) {
    const current = now[name];
    if (current === undefined) changes.push({ kind: 'removed', what: `${what} ${name}` });
    else if (canonicalJson(part) !== canonicalJson(current)) {
      changes.push({ kind: kindOf(part, current, name), what: `${what} ${name}` });
    }
  }
  for (const name of Object.keys(now)) {
    if (before[name] === undefined) changes.push({ kind: 'new', what: `${what} ${name}` });
  }
  return changes;
}

/** The envelope has no versions: it may gain optional attributes, which older readers keep unread. */
function isExtension(before: JsonSchema, now: JsonSchema): boolean {
  const { properties: old, ...restBefore } = before;
  const { properties: current, ...restNow } = now;
  if (canonicalJson(restBefore) !== canonicalJson(restNow)) return false;
  const kept = pick(current as JsonSchema, Object.keys(old ?? {}));
  return canonicalJson(kept) === canonicalJson(old);
}

function pick(record: JsonSchema, names: readonly string[]): JsonSchema {
  return Object.fromEntries(names.map((name): [string, unknown] => [name, record[name]]));
}

/** A new version of the type reads the fixture in a form of its own; older forms stay as they are. */
function isReadByNewer(before: ContractFixture, now: ContractFixture): boolean {
  const read = pick(now.read, Object.keys(before.read));
  return canonicalJson({ ...now, read }) === canonicalJson(before);
}

function byName(fixtures: readonly ContractFixture[]): Record<string, ContractFixture> {
  return Object.fromEntries(fixtures.map((fixture) => [nameOf(fixture), fixture]));
}

function nameOf({ type, name }: ContractFixture): string {
  return `${type}: ${name}`;
}
