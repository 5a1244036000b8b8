import { setTimeout as delay } from 'node:timers/promises';
import {
  laneStatus,
  type ParkedKey,
  PROJECTIONS,
  readParkedKeys,
  readRedriven,
  type Redriven,
  requestRedrives,
} from '@memfleet/projections';
import type { Pool } from '@memfleet/runtime';
import { CommandError } from '../failure.ts';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { printJson, printLine } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { grouped, printable } from '../words.ts';
import { projectionNamed } from './named.ts';

const LOOK_MS = 100;

/** Asks the lanes to try parked memories again, and waits until they have. */
export async function redrive(
  globals: Globals,
  name: string,
  filter: { readonly tenant?: string; readonly memory?: string },
): Promise<void> {
  projectionNamed(name);
  const signal = interruptSignal();
  await using database = await openReadModels(globals, 'projection');
  const { pool } = database;
  const keys = await readParkedKeys(pool, { projection: name, ...filter });
  if (keys.length > 0) await requestRedrives(pool, keys);
  const bar = new ProgressBar({
    label: 'redriving',
    total: keys.length,
    plainLines: !globals.json,
  });
  const done = await outcomes(pool, keys, { signal, bar }).finally(() => bar.end());
  const failed = done.filter(({ reason }) => reason !== null);
  if (failed.length > 0) process.exitCode = 1;
  if (globals.json) {
    for (const each of done) await printJson(each);
    return;
  }
  for (const { generation, tenant, memory, reason } of failed) {
    await printLine(`${name} #${generation}, ${tenant} ${memory}: ${printable(reason ?? '')}`);
  }
  const events = done.reduce((sum, { applied }) => sum + applied, 0);
  await printLine(
    `applied ${grouped(events)} events of ${grouped(done.length - failed.length)} memories, still parked ${grouped(failed.length)}`,
  );
}

async function outcomes(
  pool: Pool,
  keys: readonly ParkedKey[],
  { signal, bar }: { readonly signal: AbortSignal; readonly bar: ProgressBar },
): Promise<Redriven[]> {
  let told: string | undefined;
  for (;;) {
    const done = await readRedriven(pool, keys);
    if (done.length === keys.length) return done;
    const idle = await idleLane(pool, keys);
    if (idle !== undefined && idle !== told) bar.note(idle);
    told = idle;
    bar.update(done.length, `${grouped(done.length)} of ${grouped(keys.length)} memories`);
    try {
      await delay(LOOK_MS, undefined, { signal });
    } catch {
      throw new CommandError(
        'no longer waited for',
        'The lanes continue with it; `memfleet projection list --parked` shows what is left.',
      );
    }
  }
}

/** Why the redrive makes no progress, if one of its lanes does not run. */
async function idleLane(pool: Pool, keys: readonly ParkedKey[]): Promise<string | undefined> {
  const lanes = await laneStatus(pool, PROJECTIONS);
  const idle = lanes.find(
    ({ projection, generation, lane, state }) =>
      (state === 'unowned' || state === 'halted') &&
      keys.some(
        (key) =>
          key.projection === projection && key.generation === generation && key.lane === lane,
      ),
  );
  if (idle === undefined) return undefined;
  const { generation, lane, state, cause } = idle;
  return `waiting: lane ${lane} of generation ${generation} is ${state}, ${cause ?? ''}`;
}
