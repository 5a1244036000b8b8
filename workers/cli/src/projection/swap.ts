import { promoteNext, rollBack, type Swap } from '@memfleet/projections';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { note, printJson, printLine } from '../output.ts';
import { grouped } from '../words.ts';
import { projectionNamed } from './named.ts';

export async function promote(
  globals: Globals,
  name: string,
  options: {
    readonly maxLag: number;
    /** In minutes. */
    readonly maxAge: number;
    readonly timeout: number;
    readonly force: boolean;
  },
): Promise<void> {
  const { maxLag, force } = options;
  const maxAgeMs = options.maxAge * 60_000;
  const projection = projectionNamed(name);
  await using database = await openReadModels(globals, 'projection');
  const how = { ...swapOptions(globals, options.timeout), maxLag, maxAgeMs, force };
  await report(globals, await promoteNext(database.pool, projection, how));
}

export async function rollback(
  globals: Globals,
  name: string,
  { timeout }: { readonly timeout: number },
): Promise<void> {
  const projection = projectionNamed(name);
  await using database = await openReadModels(globals, 'projection');
  const swapped = await rollBack(database.pool, projection, swapOptions(globals, timeout));
  await report(globals, swapped);
}

function swapOptions({ json }: Globals, timeout: number) {
  return {
    signal: interruptSignal(),
    limitMs: timeout * 1_000,
    onRetry: (reason: string): void => {
      if (!json) note(`not yet: ${reason}`);
    },
  };
}

async function report(globals: Globals, swap: Swap): Promise<void> {
  const { projection, live, before, behind, blockedMs } = swap;
  const rounded = Math.round(blockedMs);
  if (globals.json) {
    await printJson({ ...swap, blockedMs: rounded });
    return;
  }
  const lacking =
    behind === 0 ? '' : `; its tables lacked ${grouped(behind)} events and are catching up`;
  await printLine(
    `generation ${live} of ${projection} is live instead of ${before}, after ${rounded} ms${lacking}`,
  );
}
