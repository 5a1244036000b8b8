import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';
import type { Latency } from './latency.ts';

/** One line of `bench --json`; fields that do not apply are left out. */
export interface Measure extends Partial<Latency> {
  readonly measure: string;
  readonly events: number;
  readonly bytesPerEvent?: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** The raw client's rate in the same run, and our ratio to it. */
  readonly limitPerSecond?: number;
  readonly ratio?: number;
  /** The worker's peak memory, or this process's own when no worker is measured. */
  readonly rssMB: number;
  readonly modelCalls?: number;
  readonly settings: Readonly<Record<string, string | number>>;
}

/** A number of events, and how long they took. */
export interface Run {
  readonly events: number;
  readonly seconds: number;
}

export async function timed(events: number, work: () => Promise<void>): Promise<Run> {
  const started = performance.now();
  await work();
  return { events, seconds: (performance.now() - started) / 1_000 };
}

/** The median run by rate; of an even number, the slower of the two in the middle. */
export function medianRun(runs: readonly Run[]): Run {
  const sorted = runs.toSorted((a, b) => a.events / a.seconds - b.events / b.seconds);
  const median = sorted[Math.ceil(sorted.length / 2) - 1];
  if (median === undefined) throw new Error('there is no run to take the median of');
  return median;
}

/** Rounded for people: more digits would suggest false precision. */
export function measureOf(
  run: Run,
  rest: Pick<Measure, 'measure' | 'settings'> & Partial<Measure>,
  limit?: Run,
): Measure {
  const perSecond = run.events / run.seconds;
  const limitPerSecond = limit === undefined ? undefined : limit.events / limit.seconds;
  return {
    ...rest,
    events: run.events,
    seconds: rounded(run.seconds, 3),
    perSecond: Math.round(perSecond),
    ...(limitPerSecond === undefined
      ? {}
      : {
          limitPerSecond: Math.round(limitPerSecond),
          ratio: rounded(perSecond / limitPerSecond, 2),
        }),
    rssMB: rest.rssMB ?? Math.round(process.memoryUsage.rss() / 1e6),
  };
}

/** `nameLimit` says what the limit is, for people. */
export async function printMeasure(
  { json }: Globals,
  measure: Measure,
  nameLimit: (perSecond: string) => string = (perSecond) => `the raw client's ${perSecond}`,
): Promise<void> {
  if (json) await printJson(measure);
  else await printLine(describe(measure, nameLimit));
}

function describe(measure: Measure, nameLimit: (perSecond: string) => string): string {
  const { perSecond, limitPerSecond, ratio, p50ms, p95ms, p99ms } = measure;
  const rate = `${perSecond.toLocaleString('en')} events/s`;
  const limit =
    limitPerSecond === undefined
      ? ''
      : `  ${String(ratio)} of ${nameLimit(limitPerSecond.toLocaleString('en'))}`;
  const latency =
    p50ms === undefined
      ? ''
      : `  p50 ${p50ms} ms, p95 ${String(p95ms)} ms, p99 ${String(p99ms)} ms`;
  return `${measure.measure.padEnd(29)} ${rate.padStart(18)}${limit}${latency}`;
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
