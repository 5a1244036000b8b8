import { eventKey, payloadDigest, registry } from '@memfleet/events';
import { streamInfo } from '@memfleet/runtime';
import {
  type Discarding,
  markDiscarded,
  originalBytes,
  removeLetter,
  type StoredLetter,
} from '@memfleet/stages';
import { CommandError, UsageError } from '../failure.ts';
import { type Fleet, openProvisionedFleet } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { printJson, printLine } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { grouped, printable } from '../words.ts';
import { confirm } from './confirm.ts';
import {
  noSuchLetter,
  selectedLetters,
  type Selection,
  type SelectionFlags,
  selectionOf,
} from './selection.ts';
import { Tally } from './tally.ts';

/** Letters that one statement records as discarded, before they are removed. */
const BATCH = 100;

export interface DiscardOptions extends SelectionFlags {
  readonly because: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** `gone`: another command removed it first. */
type Fate = 'discarded' | 'gone';
const FATES: readonly Fate[] = ['discarded', 'gone'];

/**
 * Gives events up: records each in the dedupe table first, then erases the letter. An interruption in
 * between leaves letters that are recorded but still there; the next run removes them.
 */
export async function discard(
  globals: Globals,
  ids: readonly number[],
  options: DiscardOptions,
): Promise<void> {
  const because = printable(options.because);
  if (because === '') throw new UsageError('say why with --because');
  const dryRun = options.dryRun === true;
  const mustAsk = options.yes !== true && !dryRun;
  if (mustAsk && !(process.stdin.isTTY && process.stderr.isTTY)) {
    throw new UsageError('there is no terminal to ask for confirmation; add --yes to confirm');
  }
  const signal = interruptSignal();
  await using fleet = await openProvisionedFleet(globals, 'dead-letters');
  const selection = selectionOf(ids, options, fleet.config, new Date());
  await streamInfo(fleet.jsm, fleet.config.deadLetters.stream);
  if (dryRun || mustAsk) {
    const { missing, ...found } = await looked(fleet, selection, signal);
    if (missing.length > 0) throw noSuchLetter(missing);
    if (dryRun) {
      await report(globals, found.tally, true);
      return;
    }
    await agreed(found.tally, signal);
  }
  await discardAll({ globals, fleet, selection, because, signal });
}

/** Counts the selected letters, and changes nothing. */
async function looked(
  fleet: Fleet,
  selection: Selection,
  signal: AbortSignal,
): Promise<{ readonly tally: Tally<Fate>; readonly missing: readonly number[] }> {
  const tally = new Tally(FATES);
  const missing: number[] = [];
  for await (const letter of selectedLetters(fleet, selection, missing)) {
    if (signal.aborted) throw interrupted();
    tally.count('discarded', letter);
  }
  return { tally, missing };
}

async function agreed(tally: Tally<Fate>, signal: AbortSignal): Promise<void> {
  if (tally.total === 0) return;
  const question = `Discard ${grouped(tally.total)} dead letters for good${tally.inWords}?`;
  if (await confirm(question, signal)) return;
  throw new CommandError('nothing was discarded', 'Answer y to discard them.');
}

interface Discard {
  readonly globals: Globals;
  readonly fleet: Fleet;
  readonly selection: Selection;
  readonly because: string;
  readonly signal: AbortSignal;
}

async function discardAll({ globals, fleet, selection, because, signal }: Discard): Promise<void> {
  const bar = new ProgressBar({ label: 'discarding', plainLines: !globals.json });
  const tally = new Tally(FATES);
  const missing: number[] = [];
  const batch: StoredLetter[] = [];
  const flush = async (): Promise<void> => {
    const letters = batch.splice(0);
    const discardings = await Promise.all(letters.map((letter) => discardingOf(fleet, letter)));
    const known = discardings.filter((one) => one !== undefined);
    if (known.length > 0) await markDiscarded(fleet.pool, known, because);
    for (const letter of letters) {
      const isOurs = await removeLetter(fleet.jsm, fleet.config, letter.id, { erase: true });
      tally.count(isOurs ? 'discarded' : 'gone', letter);
      if (isOurs) bar.note(auditLine(letter, because));
    }
    bar.update(tally.total, `${tally.total} dead letters`);
  };
  try {
    for await (const letter of selectedLetters(fleet, selection, missing)) {
      if (signal.aborted) break;
      batch.push(letter);
      if (batch.length === BATCH) await flush();
    }
    if (!signal.aborted) await flush();
  } finally {
    bar.end();
    await report(globals, tally, false);
  }
  if (signal.aborted) throw interrupted();
  if (missing.length > 0) throw noSuchLetter(missing);
}

/** The event's key in the dedupe table; undefined when the event was never readable. */
async function discardingOf(
  { jsm, config }: Fleet,
  letter: StoredLetter,
): Promise<Discarding | undefined> {
  const { stage, stageVersion, redrives, logSubject: subject = '' } = letter;
  const bytes = await originalBytes(jsm, config.log, letter);
  if (bytes === undefined || stageVersion === undefined) return undefined;
  const decoded = registry.decode(bytes, { root: config.log.root, subject });
  if (decoded.kind === 'invalid') return undefined;
  const { envelope } = decoded;
  const digest = payloadDigest(envelope);
  return { stage, stageVersion, key: eventKey(envelope), digest, redrives };
}

/** Holds ids only: an audit line may be kept longer than the content. */
function auditLine(letter: StoredLetter, because: string): string {
  const event = letter.eventId === undefined ? '' : `, event ${printable(letter.eventId)}`;
  const place = `${letter.stage}, ${letter.tenant}/${letter.memory}${event}`;
  const sequence = letter.logSequence ?? 'unknown';
  return `discarded dead letter ${letter.id} (${place}, log sequence ${sequence}): ${because}`;
}

async function report(globals: Globals, tally: Tally<Fate>, dryRun: boolean): Promise<void> {
  const { figures, byReason, inWords } = tally;
  if (globals.json) await printJson({ dryRun, ...figures, byReason });
  else if (dryRun) await printLine(`would discard ${figures.discarded}${inWords}`);
  else {
    const gone = figures.gone === 0 ? '' : `, already gone ${figures.gone}`;
    await printLine(`discarded ${figures.discarded}${gone}${inWords}`);
  }
}

function interrupted(): CommandError {
  return new CommandError('interrupted', 'Run it again to continue with the rest.');
}
