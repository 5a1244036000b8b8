import { setTimeout as delay } from 'node:timers/promises';
import { buildIndexes, startRebuild } from '@memfleet/projections';
import { messageOf, streamInfo } from '@memfleet/runtime';
import { CommandError } from '../failure.ts';
import { type Fleet, openProvisionedFleet } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { note, printJson, printLine } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import type { LaneLine } from '../status/projections.ts';
import { durationInWords, grouped, rateInWords } from '../words.ts';
import { readLanes } from './lanes.ts';
import { projectionNamed } from './named.ts';
import { Speed } from './speed.ts';

/** Past the end that the log had at first, this many events behind are near: writers always add a few. */
const NEAR = 1_000;
const LOOK_MS = 250;

interface Ahead {
  readonly projection: string;
  readonly generation: number;
}

/** Starts or continues a rebuild, and waits until it has caught up and has its indexes. */
export async function rebuild(
  globals: Globals,
  name: string,
  { detach }: { readonly detach: boolean },
): Promise<void> {
  const projection = projectionNamed(name);
  const signal = interruptSignal();
  await using fleet = await openProvisionedFleet(globals, 'projection');
  const { generation, isNew } = await startRebuild(fleet, projection);
  const ahead = { projection: name, generation };
  const verb = isNew ? 'started' : 'in progress';
  note(`the rebuild of ${name} is ${verb}, as generation ${generation}`);
  if (detach) {
    if (globals.json) await printJson({ ...ahead, isNew, caughtUp: false });
    return;
  }
  const from = performance.now();
  const bar = new ProgressBar({
    label: `filling ${name} #${generation}`,
    total: 1,
    plainLines: !globals.json,
  });
  try {
    const speed = new Speed();
    await catchUp(fleet, ahead, { signal, bar, speed });
    await buildIndexes(fleet.pool, name, generation, {
      signal,
      onIndex: (index) => bar.note(`building the index ${index}`),
    });
    await catchUp(fleet, ahead, { signal, bar, speed });
    const events = speed.done;
    const seconds = (performance.now() - from) / 1_000;
    bar.end();
    await report(globals, { ...ahead, isNew, events, seconds });
  } catch (error) {
    bar.end();
    if (!signal.aborted) throw error;
    throw new CommandError(
      `no longer watched: ${messageOf(signal.reason)}`,
      'The workers continue to fill it; run the command again to see its progress and to build its indexes.',
    );
  }
}

/** Shows the progress of the lanes until they are near the end of the log. */
async function catchUp(
  fleet: Fleet,
  ahead: Ahead,
  {
    signal,
    bar,
    speed,
  }: { readonly signal: AbortSignal; readonly bar: ProgressBar; readonly speed: Speed },
): Promise<void> {
  let told = '';
  let end: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    const [lanes, { state }] = await Promise.all([
      readLanes(fleet, ahead),
      streamInfo(fleet.jsm, fleet.config.log.stream),
    ]);
    if (lanes.length === 0) {
      throw new CommandError(
        `generation ${ahead.generation} of ${ahead.projection} was retired`,
        'Start it again.',
      );
    }
    const lag = lanes.reduce((sum, lane) => sum + lane.lagEvents, 0);
    speed.sample(state.messages - lag, lag);
    bar.update(state.messages === 0 ? 1 : 1 - lag / state.messages, speedInWords(speed, lag));
    const first = (end ??= state.last_seq);
    if (lag === 0 || (lag <= NEAR && lanes.every(({ position }) => position >= first))) return;
    const trouble = troubleOf(lanes);
    if (trouble !== told && trouble !== '') bar.note(trouble);
    told = trouble;
    await delay(LOOK_MS, undefined, { signal });
  }
}

function speedInWords({ perSecond, etaSeconds }: Speed, lag: number): string {
  const eta = etaSeconds === undefined ? '' : `, ${durationInWords(etaSeconds)} left`;
  return `${grouped(lag)} events behind, ${rateInWords(perSecond)}${eta}`;
}

/** Why the rebuild makes no progress, if a lane is stuck. */
function troubleOf(lanes: readonly LaneLine[]): string {
  const stuck = lanes.find(({ state }) => state !== 'running' && state !== 'held');
  return stuck === undefined ? '' : `lane ${stuck.lane} is ${stuck.state}: ${stuck.cause ?? ''}`;
}

async function report(
  globals: Globals,
  done: Ahead & { readonly isNew: boolean; readonly events: number; readonly seconds: number },
): Promise<void> {
  const { projection, generation, isNew, events, seconds } = done;
  const ratePerSecond = Math.round(events / Math.max(0.001, seconds));
  if (globals.json) {
    const rounded = Math.round(seconds * 100) / 100;
    await printJson({
      projection,
      generation,
      isNew,
      events,
      seconds: rounded,
      ratePerSecond,
      caughtUp: true,
    });
    return;
  }
  await printLine(
    `generation ${generation} of ${projection} has caught up: ${grouped(events)} events in ${durationInWords(seconds)}, ${rateInWords(ratePerSecond)}`,
  );
  await printLine(`next: memfleet projection verify ${projection}`);
}
