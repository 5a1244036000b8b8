import {
  type LaneId,
  lanesOf,
  type Projection,
  type Runnable,
  schemaOf,
} from '@memfleet/projections';
import {
  every,
  type Logger,
  messageOf,
  retryTransient,
  type WorkerContext,
} from '@memfleet/runtime';
import { CopyJudge } from './copy-judge.ts';
import { giveWayTo } from './courtesy.ts';
import { findGenerations } from './generations.ts';
import { superviseLane } from './lane-loop.ts';
import { reportLanes } from './lane-reports.ts';
import { LaneMonitor } from './lane-state.ts';
import { PendingLists } from './pending-lists.ts';
import { countWorkers, fairShare } from './shares.ts';

export type EngineContext = Pick<
  WorkerContext,
  | 'config'
  | 'connection'
  | 'jetstream'
  | 'jsm'
  | 'pool'
  | 'log'
  | 'progress'
  | 'instance'
  | 'signal'
>;

/** A lane as this process sees it. */
interface Seat {
  /** Its state changes when a generation is promoted. */
  runnable: Runnable;
  readonly id: LaneId;
  readonly monitor: LaneMonitor;
  /** Aborts when the generation is retired. */
  readonly retired: AbortController;
  isHeld: boolean;
  /** This process holds it beyond its share, since no other process took it. */
  isLeftOver: boolean;
  yielding: AbortController;
}

/**
 * Runs lanes of all generations that these projections fit, up to this process's share, until the
 * signal. It takes up generations that are made meanwhile, and releases those that are retired.
 * @throws the error that ends the process: a durable or stream is gone
 */
export async function runEngine(
  context: EngineContext,
  projections: readonly Projection[],
): Promise<void> {
  await new Engine(context, projections).run();
}

class Engine {
  readonly #context: EngineContext;
  readonly #projections: readonly Projection[];
  readonly #seats = new Map<string, Seat>();
  readonly #running = new Set<Promise<void>>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #share = Number.POSITIVE_INFINITY;
  #doubt = new AbortController();

  constructor(context: EngineContext, projections: readonly Projection[]) {
    this.#context = context;
    this.#projections = projections;
    this.#signal = AbortSignal.any([context.signal, this.#stop.signal]);
  }

  async run(): Promise<void> {
    const { config, progress, pool, jsm, log } = this.#context;
    const signal = this.#signal;
    progress.watch({
      inFlight: () => this.#all().reduce((sum, { monitor }) => sum + monitor.inFlight, 0),
    });
    const ended = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    this.#seat(
      await retryTransient(() => findGenerations(pool, config, this.#projections), {
        signal,
        onRetry: (error) => log.warn({ reason: messageOf(error) }, 'no answer, trying again'),
      }),
    );
    await this.#look();
    const looking = every(config.workers.report, () => this.#look());
    const pendingLists = new PendingLists(pool, log, () => this.#schemas());
    const judge = new CopyJudge({
      pool,
      jsm,
      stream: config.log.stream,
      log,
      everyMs: config.workers.report,
      isOurs: () => this.#first().some(reportsCopies),
    });
    void this.#watchConnection(signal);
    try {
      // A lane that can never continue ends the process; the others must not carry on without it.
      await Promise.race([ended, this.#failed.promise]);
    } finally {
      this.#stop.abort();
      void looking.stop();
      await Promise.all([...this.#running, pendingLists.stop(), judge.stop()]);
    }
  }

  /** Takes up new lanes, and releases those whose generation is retired. */
  #seat(runnables: readonly Runnable[]): void {
    const wanted = new Set<string>();
    for (const runnable of runnables) {
      const { projection, generation, lanes } = runnable.generation;
      for (const id of lanesOf(projection, generation, lanes)) {
        wanted.add(nameOf(id));
        const seat = this.#seats.get(nameOf(id));
        if (seat === undefined) this.#begin(runnable, id);
        else seat.runnable = runnable;
      }
    }
    for (const [name, { id, retired }] of this.#seats) {
      if (wanted.has(name)) continue;
      this.#context.log.info({ ...id }, 'the generation is retired, the lane ends');
      this.#seats.delete(name);
      retired.abort();
    }
  }

  #begin(runnable: Runnable, id: LaneId): void {
    const seat: Seat = {
      runnable,
      id,
      monitor: new LaneMonitor(),
      retired: new AbortController(),
      isHeld: false,
      isLeftOver: false,
      yielding: new AbortController(),
    };
    this.#seats.set(nameOf(id), seat);
    const signal = AbortSignal.any([this.#signal, seat.retired.signal]);
    const running = this.#supervise(seat, signal)
      .catch(async (error: unknown) => {
        if (!(await this.#isRetired(seat))) throw error;
      })
      .catch((error: unknown) => this.#failed.reject(error))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** A missing durable is no failure when its generation is retired. */
  async #isRetired({ id, retired }: Seat): Promise<boolean> {
    if (retired.signal.aborted) return true;
    this.#seat(await findGenerations(this.#context.pool, this.#context.config, this.#projections));
    return !this.#seats.has(nameOf(id));
  }

  async #supervise(seat: Seat, signal: AbortSignal): Promise<void> {
    const { config, connection, jetstream, jsm, pool, log, progress, instance } = this.#context;
    await superviseLane({
      context: {
        config,
        connection,
        jetstream,
        jsm,
        pool,
        log,
        lanes: seat.runnable.generation.lanes,
        monitor: seat.monitor,
        isBackground: () => isBackground(seat),
        giveWay: async (size) => {
          return isBackground(seat) ? await giveWayTo(this.#foreground(), size) : size;
        },
        onCommitted: (how, count) => progress.advanced(how, count),
      },
      projection: seat.runnable.projection,
      id: seat.id,
      owner: instance,
      mayTake: () => this.#held().length < this.#share,
      onHeld: (isHeld, isLeftOver) => {
        seat.isHeld = isHeld;
        seat.isLeftOver = isLeftOver;
        if (isHeld) seat.yielding = new AbortController();
      },
      yielding: () => seat.yielding.signal,
      doubt: () => this.#doubt.signal,
      signal,
    });
  }

  /** A server that comes back may have been restored, and assign the same positions again. */
  async #watchConnection(signal: AbortSignal): Promise<void> {
    for await (const { type } of this.#context.connection.status()) {
      if (signal.aborted) return;
      if (type !== 'reconnect') continue;
      this.#doubt.abort();
      this.#doubt = new AbortController();
    }
  }

  #all(): Seat[] {
    return [...this.#seats.values()];
  }

  #held(): Seat[] {
    return this.#all().filter(({ isHeld }) => isHeld);
  }

  /** The first lanes held here: the process that holds one does the work needed once a generation. */
  #first(): Seat[] {
    return this.#held().filter(({ id }) => id.lane === 0);
  }

  /** The schemas whose indexes this process maintains. */
  #schemas(): string[] {
    return this.#first().map(({ id }) => schemaOf(id.projection, id.generation));
  }

  /** The lanes whose tables have readers. */
  #foreground(): LaneMonitor[] {
    return this.#held()
      .filter((seat) => !isBackground(seat))
      .map(({ monitor }) => monitor);
  }

  /**
   * Runs every second: reports the lanes for status and health, looks for generations, and checks
   * whether other workers need a share.
   */
  async #look(): Promise<void> {
    if (this.#signal.aborted) return;
    const { config, pool, instance, progress, log } = this.#context;
    const goneAfterMs = Math.max(config.projections.lease, 3 * config.workers.report);
    const held = this.#held();
    const lanes = held.map(({ id, monitor }) => ({ id, current: monitor.current }));
    // Includes lanes that are not held: without the database none can be.
    for (const { id, monitor } of this.#all()) {
      const { state, cause } = monitor.current;
      if (state === 'troubled') progress.troubled(nameOf(id), cause ?? 'unknown');
    }
    const halted = lanes.find(({ current }) => current.state === 'halted');
    progress.halted(
      halted === undefined ? undefined : `${nameOf(halted.id)}: ${halted.current.cause}`,
    );
    try {
      await reportLanes(pool, instance, lanes);
      const runnables = await findGenerations(pool, config, this.#projections);
      if (this.#signal.aborted) return;
      this.#seat(runnables);
      this.#share = fairShare(this.#seats.size, await countWorkers(pool, instance, goneAfterMs));
      this.#giveUpExcess(held, log);
    } catch (error) {
      log.debug({ reason: messageOf(error) }, 'the lanes could not be reported');
    }
  }

  /** Another worker has joined: the last lanes held beyond the share go to it. */
  #giveUpExcess(held: readonly Seat[], log: Logger): void {
    const shared = held.filter(({ isLeftOver }) => !isLeftOver);
    for (const { id, yielding } of shared.slice(this.#share)) {
      log.info({ ...id, share: this.#share }, 'the lane goes to another worker');
      yielding.abort();
    }
  }
}

function nameOf({ projection, generation, lane }: LaneId): string {
  return `projection ${projection}, generation ${generation}, lane ${lane}`;
}

function reportsCopies({ runnable }: Seat): boolean {
  return runnable.projection.tables.some((table) => table.kind === 'log' && table.reportsCopies);
}

function isBackground({ runnable }: Seat): boolean {
  return runnable.generation.state !== 'live';
}
