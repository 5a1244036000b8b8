import { PROJECTIONS, readParkedKeys, schemaOf } from '@memfleet/projections';
import type { Queryable } from '@memfleet/runtime';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note, printJson, printLine } from '../output.ts';
import { type Column, table } from '../table.ts';
import { bytesInWords, durationInWords, grouped, printable } from '../words.ts';

interface Entry {
  readonly projection: string;
  readonly generation: number;
  readonly state: string;
  readonly version: number;
  readonly codeVersion: number | null;
  readonly lanes: number;
  readonly isFilling: boolean;
  readonly bytes: number;
  readonly parkedKeys: number;
  readonly createdAt: Date;
}

const COLUMNS: readonly Column[] = [
  { title: 'PROJECTION', align: 'left' },
  { title: 'GENERATION', align: 'right' },
  { title: 'STATE', align: 'left' },
  { title: 'VERSION', align: 'right' },
  { title: 'LANES', align: 'right' },
  { title: 'SIZE', align: 'right' },
  { title: 'PARKED', align: 'right' },
  { title: 'CREATED', align: 'left' },
  { title: 'NOTE', align: 'left' },
];

const PARKED_COLUMNS: readonly Column[] = [
  { title: 'PROJECTION', align: 'left' },
  { title: 'TENANT', align: 'left' },
  { title: 'MEMORY', align: 'left' },
  { title: 'POSITION', align: 'right' },
  { title: 'EVENTS', align: 'right' },
  { title: 'FOR', align: 'right' },
  { title: 'REASON', align: 'left' },
];

/** Lists every generation whose tables exist. */
export async function list(globals: Globals): Promise<void> {
  await using database = await openReadModels(globals, 'projection');
  const entries = await readEntries(database.pool);
  if (globals.json) {
    for (const entry of entries) await printJson(entry);
    return;
  }
  const rows = entries.map((entry) => [
    entry.projection,
    String(entry.generation),
    entry.state,
    String(entry.version),
    String(entry.lanes),
    bytesInWords(entry.bytes),
    grouped(entry.parkedKeys),
    entry.createdAt.toISOString(),
    noteOn(entry),
  ]);
  await printLine(table(COLUMNS, rows));
}

/** Lists every memory whose events wait, oldest position first. */
export async function listParked(globals: Globals): Promise<void> {
  await using database = await openReadModels(globals, 'projection');
  const keys = await readParkedKeys(database.pool, {});
  if (globals.json) {
    for (const { lane: _lane, ...key } of keys) await printJson(key);
    return;
  }
  if (keys.length === 0) {
    note('no memory is parked');
    return;
  }
  const now = Date.now();
  const rows = keys.map(({ projection, generation, tenant, memory, ...key }) => [
    `${projection} #${generation}`,
    tenant,
    memory,
    grouped(key.sequence),
    grouped(key.events),
    durationInWords(Math.max(0, now - key.parkedAt.getTime()) / 1_000),
    printable(key.reason),
  ]);
  await printLine(table(PARKED_COLUMNS, rows));
}

async function readEntries(db: Queryable): Promise<Entry[]> {
  const { rows } = await db.query<Omit<Entry, 'codeVersion' | 'bytes'>>(
    `select projection, generation, state, version, lanes,
        deferred_indexes is not null as "isFilling", created_at as "createdAt",
        (select count(distinct (tenant, memory))::int from memfleet.parked_events as waiting
          where waiting.projection = generations.projection
            and waiting.generation = generations.generation) as "parkedKeys"
      from memfleet.projection_generations as generations
      where state <> 'retired' order by projection, generation`,
  );
  const sizes = await sizesOf(
    db,
    rows.map(({ projection, generation }) => schemaOf(projection, generation)),
  );
  return rows.map((row) => {
    const { projection, generation, state, version, lanes, isFilling, parkedKeys } = row;
    const code = PROJECTIONS.find(({ name }) => name === projection);
    return {
      projection,
      generation,
      state,
      version,
      codeVersion: code?.version ?? null,
      lanes,
      isFilling,
      bytes: sizes.get(schemaOf(projection, generation)) ?? 0,
      parkedKeys,
      createdAt: row.createdAt,
    };
  });
}

/** Sizes of tables, including their indexes and side tables, by schema. */
async function sizesOf(db: Queryable, schemas: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await db.query<{ schema: string; bytes: string }>(
    `select nspname as schema, sum(pg_total_relation_size(pg_class.oid)) as bytes
      from pg_class join pg_namespace on pg_namespace.oid = relnamespace
      where nspname = any($1) and relkind = 'r' group by nspname`,
    [schemas],
  );
  return new Map(rows.map(({ schema, bytes }) => [schema, Number(bytes)]));
}

function noteOn({ isFilling, version, codeVersion }: Entry): string {
  if (isFilling) return 'being filled';
  if (codeVersion !== null && codeVersion !== version) return `the code has version ${codeVersion}`;
  return '';
}
