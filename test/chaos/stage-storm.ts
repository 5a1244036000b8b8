import { setTimeout as delay } from 'node:timers/promises';
import { type Envelope, nameBasedId } from '@memfleet/events';
import { CRASH_POINTS, type CrashPoint } from '@memfleet/runtime';
import { memoryCreated } from '../support/events.ts';
import { type ModelCall, ONE_ENTITY, replies, type Reply } from '../support/model-service.ts';
import { Random } from '../support/random.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker-process.ts';
import type { StageFleet } from './stage-fleet.ts';
import type { Call, End, History } from './storm-history.ts';
import { historyOf } from './storm-traces.ts';

/** How the workers of a storm end: at the crash points of a stage, in the middle of a call, or stopped. */
export function waysOf(order: StormOrder): readonly Way[] {
  return [
    // Nothing is parked in a storm.
    ...CRASH_POINTS.stage.filter((point) => point !== 'after-park'),
    ...(order === 'turns' ? CRASH_POINTS.tenantQueue : []),
    'in-service',
    'stop',
  ];
}
type Way = CrashPoint | 'in-service' | 'stop';

/** Whether events are processed in the order of the log, or tenant by tenant. */
export type StormOrder = 'log' | 'turns';

/** Worker processes at a time. */
const PROCESSES = 3;
/** One content in ten occurs twice. */
const DISTINCT = 0.9;
const TENANTS = 5;
/** Kills end here, so that the last events do not meet all of them. */
const CALM_AFTER = 0.85;
/** Longer than the lease, so that another worker has time to notice. */
const STOPPED_MS = 5_500;
const PATTERN = /note number \d+/g;

/** About how many calls there are for each time that a worker is at a point. */
function callsA(point: Way): number {
  // Any worker with free time continues to read the log.
  return point === 'after-put' ? 20 : 6;
}

export interface StormOptions {
  readonly seed: number;
  readonly order: StormOrder;
  /** About how many events a worker finishes before it ends. */
  readonly life: number;
}

/** The events of a storm: the same for the same number. */
export function stormEvents(count: number): Envelope[] {
  const distinct = Math.ceil(count * DISTINCT);
  return Array.from({ length: count }, (_, index) =>
    memoryCreated(contentOf(index % distinct), {
      id: nameBasedId('storm', String(index)),
      tenant: `tenant-${index % TENANTS}`,
      memory: `m${index}`,
      time: '2026-01-01T00:00:00Z',
    }),
  );
}

function contentOf(index: number): string {
  return `note number ${index}`;
}

/** Settings that redeliver a dead worker's events soon, but tolerate a slow machine. */
export function settingsOf(order: StormOrder): Readonly<Record<string, string>> {
  return {
    concurrency: '8',
    batch: '4',
    ackWait: '4s',
    lease: '3500ms',
    deadline: '60s',
    'fairness.after': order === 'turns' ? '10ms' : '1h',
    // Small, so that the log is read until the storm ends.
    'fairness.lookahead': '40',
  };
}

/**
 * Runs several workers on one durable, each killed in its own way and replaced by the next, until most
 * events are done; then two undisturbed workers finish. @returns everything observable
 */
export async function storm(
  fleet: StageFleet,
  events: readonly Envelope[],
  { seed, order, life }: StormOptions,
): Promise<History> {
  const random = new Random(seed);
  const ways = waysOf(order);
  const service = new NamedCallers(fleet);
  const ends: End[] = [];
  let lives = 0;
  const weather = { isCalm: false };

  const oneLife = async (): Promise<void> => {
    lives += 1;
    // The ways take turns, independent of the random numbers.
    const way = ways[lives % ways.length] as Way;
    const name = `worker-${lives}`;
    const calls = 1 + random.below(life);
    const hits = way === 'in-call' ? calls : 1 + Math.floor(calls / callsA(way));
    await using worker = fleet.start({
      [keyVariable(fleet)]: name,
      ...(way === 'stop' || way === 'in-service' ? {} : { MEMFLEET_CRASH_AT: `${way}:${hits}` }),
    });
    const ended = worker.ended();
    const first = await Promise.race([
      ended,
      untilCalm(() => weather.isCalm),
      ...(way === 'in-service' || way === 'stop' ? [service.nth(name, calls)] : []),
    ]);
    if (first === CALM) {
      worker.kill('SIGTERM');
      if ((await ended) === 'SIGKILL') ends.push({ process: name, how: way, at: Date.now() });
      return;
    }
    if (first === 'called' && way === 'stop') {
      ends.push(await stopped(worker, name));
      worker.kill('SIGTERM');
      await worker.endsWith(0);
      return;
    }
    if (first === 'called') worker.kill('SIGKILL');
    await worker.endsWith('SIGKILL');
    ends.push({ process: name, how: way, at: Date.now() });
  };
  const slot = async (): Promise<void> => {
    while (!weather.isCalm) await oneLife();
  };

  await fleet.append(events);
  const slots = Promise.all(Array.from({ length: PROCESSES }, slot));
  const watch = (async (): Promise<void> => {
    await until(
      'most events are through',
      async () => (await done(fleet)) >= events.length * CALM_AFTER,
      3_600_000,
    );
    weather.isCalm = true;
  })();
  try {
    await Promise.all([slots, watch]);
  } finally {
    weather.isCalm = true;
  }
  await finish(fleet, events.length);
  return await historyOf(fleet, { events, calls: service.calls, ends });
}

/** The same without a storm. */
export async function calm(fleet: StageFleet, events: readonly Envelope[]): Promise<History> {
  const service = new NamedCallers(fleet);
  await fleet.append(events);
  await finish(fleet, events.length);
  return await historyOf(fleet, { events, calls: service.calls, ends: [] });
}

async function finish(fleet: StageFleet, events: number): Promise<void> {
  await using one = fleet.start({ [keyVariable(fleet)]: 'last-1' });
  await using other = fleet.start({ [keyVariable(fleet)]: 'last-2' });
  await until('all events are through', async () => (await done(fleet)) >= events, 600_000);
  await fleet.settled();
  for (const worker of [one, other]) {
    await worker.ready();
    worker.kill('SIGTERM');
    await worker.endsWith(0);
  }
}

/** Stops a worker for longer than its lease, then continues it until it has had time to notice. */
async function stopped(worker: WorkerProcess, process: string): Promise<End> {
  const at = Date.now();
  worker.kill('SIGSTOP');
  // The time itself is what is tested.
  await delay(STOPPED_MS);
  worker.kill('SIGCONT');
  const end = Date.now();
  await delay(1_000);
  return { process, how: 'stop', at, until: end };
}

const CALM = 'calm';

async function untilCalm(isCalm: () => boolean): Promise<typeof CALM> {
  while (!isCalm()) await delay(50);
  return CALM;
}

function keyVariable({ stage }: StageFleet): string {
  return `MEMFLEET_STAGES_${stage.toUpperCase()}_PROVIDER_API_KEY`;
}

/** The model service, which knows its callers by their keys, and answers by the content. */
class NamedCallers {
  readonly #fleet: StageFleet;
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Map<string, { readonly at: number; readonly tell: () => void }>();

  constructor(fleet: StageFleet) {
    this.#fleet = fleet;
    fleet.model.respond((call) => this.#answer(call));
  }

  /** Resolves while the service has that call in its hands. */
  nth(process: string, calls: number): Promise<'called'> {
    return new Promise((resolve) => {
      this.#waiting.set(process, { at: calls, tell: () => resolve('called') });
    });
  }

  get calls(): Call[] {
    return this.#fleet.model.calls.map((call) => ({
      process: callerOf(call),
      contents: contentsOf(call),
      at: performance.timeOrigin + call.at,
    }));
  }

  #answer(call: ModelCall): Reply {
    const caller = callerOf(call);
    const count = (this.#counts.get(caller) ?? 0) + contentsOf(call).length;
    this.#counts.set(caller, count);
    const waiting = this.#waiting.get(caller);
    if (waiting !== undefined && count >= waiting.at) {
      waiting.tell();
      this.#waiting.delete(caller);
    }
    return answerTo(call);
  }
}

/** Every content has its own answer, so that a mix-up would show. An answer takes a moment. */
function answerTo(call: ModelCall): Reply {
  if (call.kind === 'embeddings') return replies.slow(20, replies.vectors(call));
  const [content = ''] = contentsOf(call);
  const fact = {
    text: `There is a ${content}.`,
    subject: content,
    predicate: 'is',
    object: 'there',
    confidence: 0.5,
  };
  return replies.slow(20, replies.chat({ facts: [fact], entities: [ONE_ENTITY] }));
}

function callerOf({ headers }: ModelCall): string {
  return String(headers['authorization']).replace('Bearer ', '');
}

function contentsOf({ body }: ModelCall): string[] {
  return JSON.stringify(body).match(PATTERN) ?? [];
}

async function done({ database }: StageFleet): Promise<number> {
  const { rows } = await database.pool.query<{ events: number }>(
    `select count(*)::int as events from memfleet.stage_work where published_at is not null`,
  );
  return rows[0]?.events ?? 0;
}
