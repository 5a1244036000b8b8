import { type TableComparison, type Verification, verifyNext } from '@memfleet/projections';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { printJson, printLine } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { type Column, table } from '../table.ts';
import { grouped, printable } from '../words.ts';
import { projectionNamed } from './named.ts';

const COLUMNS: readonly Column[] = [
  { title: 'TABLE', align: 'left' },
  { title: 'LIVE ROWS', align: 'right' },
  { title: 'NEXT ROWS', align: 'right' },
  { title: '', align: 'left' },
];

/** Compares; a difference between tables of the same version gives exit code 1. */
export async function verify(
  globals: Globals,
  name: string,
  { maxLag }: { readonly maxLag: number },
): Promise<void> {
  projectionNamed(name);
  const signal = interruptSignal();
  await using database = await openReadModels(globals, 'projection');
  const bar = new ProgressBar({ label: 'comparing', plainLines: !globals.json });
  const found = await verifyNext(database.pool, name, {
    signal,
    maxLag,
    onTable: (compared) => bar.update(0, compared),
  }).finally(() => bar.end());
  const { live, next, equal } = found;
  const isOtherVersion = live.version !== next.version;
  if (!equal && !isOtherVersion) process.exitCode = 1;
  if (globals.json) await printJson(found);
  else await show(found, isOtherVersion);
}

async function show(found: Verification, isOtherVersion: boolean): Promise<void> {
  const { projection, live, next, position, equal, tables, parkedEvents } = found;
  await printLine(
    table(
      COLUMNS,
      tables.map((each) => [each.table, count(each.liveRows), count(each.nextRows), judge(each)]),
    ),
  );
  for (const { table: differing, differingKeys } of tables) {
    if (differingKeys.length === 0) continue;
    await printLine(`\nkeys of ${differing} that differ, such as:`);
    for (const key of differingKeys) await printLine(`  ${keyInWords(key)}`);
  }
  if (parkedEvents.live + parkedEvents.next > 0) {
    await printLine(
      `\nparked, so in no table: ${grouped(parkedEvents.live)} events of the live generation, ${grouped(parkedEvents.next)} of the next`,
    );
  }
  const both = `generations ${live.generation} and ${next.generation} of ${projection}`;
  const verdict = equal
    ? `${both} are equal at position ${position}; next: memfleet projection promote ${projection}`
    : isOtherVersion
      ? `${both} have versions ${live.version} and ${next.version}, and differ at position ${position}; if you expect that: memfleet projection promote ${projection}`
      : `${both} differ at position ${position}`;
  await printLine(`\n${verdict}`);
}

function count(rows: number | undefined): string {
  return rows === undefined ? '-' : grouped(rows);
}

function judge({ equal, liveRows, nextRows, otherColumns }: TableComparison): string {
  if (liveRows === undefined) return 'new';
  if (nextRows === undefined) return 'gone';
  const columns = otherColumns.length === 0 ? '' : `, other columns: ${otherColumns.join(', ')}`;
  return `${equal ? 'equal' : 'differs'}${columns}`;
}

function keyInWords(key: Readonly<Record<string, unknown>>): string {
  return Object.entries(key)
    .map(([name, value]) => `${name} ${printable(String(value))}`)
    .join(', ');
}
