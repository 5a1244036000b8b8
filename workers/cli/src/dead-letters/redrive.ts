import { streamInfo } from '@memfleet/runtime';
import {
  originalBytes,
  redriveStreamName,
  removeLetter,
  requeueLetter,
  type StoredLetter,
} from '@memfleet/stages';
import { CommandError } from '../failure.ts';
import { type Broker, openBroker } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { printJson, printLine } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { Pace } from './pace.ts';
import { noSuchLetter, selectedLetters, type SelectionFlags, selectionOf } from './selection.ts';
import { Tally } from './tally.ts';
import { Window } from './window.ts';

/** Letters redriven concurrently. */
const WINDOW = 64;

export interface RedriveOptions extends SelectionFlags {
  readonly dryRun?: boolean;
  /** Letters per second. */
  readonly rate?: number;
}

/** The outcome for a letter. */
type Fate = 'redriven' | 'repeated' | 'refused';

/**
 * Gives events another try: puts each into the queue of its stage, then removes the letter. An
 * interruption in between leaves a letter whose event is already queued; the next run removes it.
 */
export async function redrive(
  globals: Globals,
  ids: readonly number[],
  options: RedriveOptions,
): Promise<void> {
  const signal = interruptSignal();
  await using broker = await openBroker(globals, 'dead-letters');
  const { config, jsm } = broker;
  const selection = selectionOf(ids, options, config, new Date());
  await streamInfo(jsm, config.deadLetters.stream);
  await streamInfo(jsm, redriveStreamName(config));
  const dryRun = options.dryRun === true;
  const bar = new ProgressBar({ label: 'redriving', plainLines: !globals.json });
  const tally = new Tally<Fate>(['redriven', 'repeated', 'refused']);
  const missing: number[] = [];
  const pace = new Pace(options.rate);
  const window = new Window(WINDOW);
  const one = async (letter: StoredLetter): Promise<void> => {
    const problem = await problemOf(broker, letter);
    if (problem !== undefined) bar.note(`dead letter ${letter.id}: ${problem}`);
    const fate =
      problem !== undefined ? 'refused' : dryRun ? 'redriven' : await redriveOne(broker, letter);
    tally.count(fate, letter);
    bar.update(tally.total, `${tally.total} dead letters`);
  };
  try {
    for await (const letter of selectedLetters(broker, selection, missing)) {
      if (!dryRun) await pace.turn(signal);
      if (signal.aborted || !(await window.begin(() => one(letter)))) break;
    }
    await window.end();
  } finally {
    // Waits for redrives in progress, however the loop ended, so that the figures are right.
    await window.end().catch(() => undefined);
    bar.end();
    await report(globals, tally, dryRun);
  }
  if (signal.aborted) {
    throw new CommandError('interrupted', 'Run it again to continue with the rest.');
  }
  if (missing.length > 0) throw noSuchLetter(missing);
  if (tally.of('refused') > 0) process.exitCode = 1;
}

async function redriveOne(
  { connection, jsm, config }: Broker,
  letter: StoredLetter,
): Promise<Fate> {
  const isNew = await requeueLetter(connection, config, letter);
  // The queue still has the bytes, so there is nothing to erase.
  await removeLetter(jsm, config, letter.id, { erase: false });
  return isNew ? 'redriven' : 'repeated';
}

/** Why a letter cannot be redriven, if it cannot. */
async function problemOf(
  { jsm, config }: Broker,
  letter: StoredLetter,
): Promise<string | undefined> {
  if (!Object.hasOwn(config.stages, letter.stage)) {
    return `the stage ${letter.stage} no longer exists`;
  }
  if (letter.isInLog && (await originalBytes(jsm, config.log, letter)) === undefined) {
    return 'its bytes were too large to copy, and the log no longer has them';
  }
  return undefined;
}

async function report(globals: Globals, tally: Tally<Fate>, dryRun: boolean): Promise<void> {
  if (globals.json) {
    await printJson({ dryRun, ...tally.figures, byReason: tally.byReason });
    return;
  }
  const { redriven, repeated, refused } = tally.figures;
  const reasons = tally.inWords;
  if (dryRun) {
    await printLine(`would redrive ${redriven}${reasons}, cannot redrive ${refused}`);
  } else {
    const before = repeated === 0 ? '' : `, already redriven ${repeated}`;
    await printLine(`redriven ${redriven}${before}, cannot be redriven ${refused}${reasons}`);
  }
  const conflicts = tally.byReason['conflicting_payload'] ?? 0;
  if (conflicts === 0) return;
  await printLine(
    `${conflicts} of them ${conflicts === 1 ? 'has' : 'have'} another payload under an id that the stage saw before, and will be parked again: the first payload counts; discard them to remove them`,
  );
}
