import { messageOf, sleep } from '@memfleet/runtime';
import { type Fleet, openProvisionedFleet } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { note, print, printJson, printLine, readerGone } from '../output.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { snapshotLine, snapshotText } from './text.ts';

const WATCH_MS = 1_000;
const CLEAR_SCREEN = '\u001B[H\u001B[2J\u001B[3J';

export async function status(
  globals: Globals,
  { watch }: { readonly watch: boolean },
): Promise<void> {
  const signal = watch ? AbortSignal.any([interruptSignal(), readerGone]) : undefined;
  await using fleet = await openProvisionedFleet(globals, 'status');
  const first = await takeSnapshot(fleet);
  await show(globals, first, watch);
  if (signal !== undefined) await keepShowing(globals, fleet, signal);
}

/** Runs until Ctrl-C. It reports a server that is away for a while, and asks it again. */
async function keepShowing(globals: Globals, fleet: Fleet, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(WATCH_MS, signal);
    if (signal.aborted) return;
    try {
      await show(globals, await takeSnapshot(fleet), true);
    } catch (error) {
      note(`memfleet: ${messageOf(error)}`);
    }
  }
}

/** A terminal is redrawn; a file or a pipe gets a line a second. */
async function show(globals: Globals, snapshot: Snapshot, watch: boolean): Promise<void> {
  if (globals.json) await printJson(snapshot);
  else if (!watch) await printLine(snapshotText(snapshot));
  else if (process.stdout.isTTY) await print(`${CLEAR_SCREEN}${snapshotText(snapshot)}\n`);
  else await printLine(snapshotLine(snapshot, new Date()));
}
