import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Envelope } from '@memfleet/events';
import type { Pool } from '@memfleet/runtime';
import { expectedTables } from './oracle.ts';

/** The rows of every view, one line each, in a fixed order. */
export type TableLines = Readonly<Record<string, readonly string[]>>;

/** The fold of the log, by the oracle. */
export function foldedLog(log: readonly Envelope[]): TableLines {
  return mapValues(expectedTables(log), linesOf);
}

/** What the views show. */
export async function shownTables(pool: Pool, views: readonly string[]): Promise<TableLines> {
  const shown: Record<string, readonly string[]> = {};
  for (const view of views) {
    const { rows } = await pool.query<Record<string, unknown>>(`select * from memory.${view}`);
    shown[view] = linesOf(rows.map(asWritten));
  }
  return shown;
}

/** One hash per table: equal for equal rows. */
function hashLines(tables: TableLines): Record<string, string> {
  return mapValues(tables, (lines) => {
    const hash = createHash('sha256');
    for (const line of lines) hash.update(line).update('\n');
    return `${lines.length} rows, ${hash.digest('hex')}`;
  });
}

/** Compares by hash; when they differ, says by which rows, a few of them. */
export function expectSameTables(shown: TableLines, folded: TableLines): void {
  const [of, expected] = [hashLines(shown), hashLines(folded)];
  const differing = Object.keys(folded).filter((name) => of[name] !== expected[name]);
  const sample = (name: string, from: TableLines, other: TableLines): string[] => {
    const known = new Set(other[name]);
    return (from[name] ?? []).filter((line) => !known.has(line)).slice(0, 5);
  };
  assert.deepEqual(
    differing.map((name) => ({
      name,
      shownOnly: sample(name, shown, folded),
      foldedOnly: sample(name, folded, shown),
    })),
    [],
  );
}

/** 64-bit columns, which the driver returns as text. */
const NUMBERS = new Set([
  'sequence',
  'position',
  'content_sequence',
  'access_count',
  'mentions',
  'memories',
]);

/** A row as the oracle writes it: numbers as numbers, times as text. */
function asWritten(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).flatMap(([name, value]) => {
      // The view derives them from other columns.
      if (name === 'keys') return [];
      if (value instanceof Date) return [[name, value.toISOString()]];
      return [[name, NUMBERS.has(name) && value !== null ? Number(value) : value]];
    }),
  );
}

function linesOf(rows: readonly object[]): string[] {
  return rows
    .map((row) =>
      JSON.stringify(Object.entries(row).toSorted(([one], [other]) => (one < other ? -1 : 1))),
    )
    .toSorted();
}

function mapValues<Value, Result>(
  from: Readonly<Record<string, Value>>,
  change: (value: Value) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, change(value)]));
}
