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
  /** Held beyond the share, since nobody else took it. */
  isLeftOver: boolean;
  yielding: AbortController;
}

/**
 * Runs the lanes of all generations that these projections fit, as many of them as are this process's
 * share, until the signal. Generations that are made or retired meanwhile are taken up and let go of.
 * @throws what ends the process: a durable or stream that is gone
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
      // One lane that cannot go on for good ends the process, and not the other lanes in silence.
      await Promise.race([ended, this.#failed.promise]);
    } finally {
      this.#stop.abort();
      void looking.stop();
      await Promise.all([...this.#running, pendingLists.stop(), judge.stop()]);
    }
  }

  /** Takes up lanes that are new, and lets go of those whose generation is retired. */
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

  /** A durable that is gone is no failure when its generation is. */
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

  /** A server that comes back may have been restored meanwhile, and give positions out anew. */
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

  /** First lanes that are here: what is to be done once for all lanes of a generation is done there. */
  #first(): Seat[] {
    return this.#held().filter(({ id }) => id.lane === 0);
  }

  /** Those whose indexes this process looks after. */
  #schemas(): string[] {
    return this.#first().map(({ id }) => schemaOf(id.projection, id.generation));
  }

  /** Lanes whose tables are read. */
  #foreground(): LaneMonitor[] {
    return this.#held()
      .filter((seat) => !isBackground(seat))
      .map(({ monitor }) => monitor);
  }

  /**
   * Every second: how the lanes are, for status and health; which generations there are; and whether
   * other workers need a share.
   */
  async #look(): Promise<void> {
    if (this.#signal.aborted) return;
    const { config, pool, instance, progress, log } = this.#context;
    const goneAfterMs = Math.max(config.projections.lease, 3 * config.workers.report);
    const held = this.#held();
    const lanes = held.map(({ id, monitor }) => ({ id, current: monitor.current }));
    // Those that are not held as well: without the database none can be.
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

  /** A worker has come: the last of the lanes held beyond the share go to it. */
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
