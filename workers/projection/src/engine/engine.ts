import { type LaneId, lanesOf, type Runnable } from '@memfleet/projections';
import { type Logger, messageOf, type WorkerContext } from '@memfleet/runtime';
import { superviseLane } from './lane-loop.ts';
import { reportLanes } from './lane-reports.ts';
import { LaneMonitor } from './lane-state.ts';
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
  readonly runnable: Runnable;
  readonly id: LaneId;
  readonly monitor: LaneMonitor;
  isHeld: boolean;
  yielding: AbortController;
}

/**
 * Runs the lanes of all generations, as many of them as are this process's share, until the signal.
 * @throws what ends the process: a durable or stream that is gone
 */
export async function runEngine(
  context: EngineContext,
  runnables: readonly Runnable[],
): Promise<void> {
  await new Engine(context, runnables).run();
}

class Engine {
  readonly #context: EngineContext;
  readonly #seats: readonly Seat[];
  #share = Number.POSITIVE_INFINITY;
  #doubt = new AbortController();

  constructor(context: EngineContext, runnables: readonly Runnable[]) {
    this.#context = context;
    this.#seats = runnables.flatMap((runnable) => {
      const { projection, generation, lanes } = runnable.generation;
      return lanesOf(projection, generation, lanes).map((id) => ({
        runnable,
        id,
        monitor: new LaneMonitor(),
        isHeld: false,
        yielding: new AbortController(),
      }));
    });
  }

  async run(): Promise<void> {
    const { config, progress, signal } = this.#context;
    progress.watch({
      inFlight: () => this.#seats.reduce((sum, { monitor }) => sum + monitor.inFlight, 0),
    });
    await this.#look();
    const timer = setInterval(() => void this.#look(), config.workers.report);
    // One lane that cannot go on for good ends the process, and not the other lanes in silence.
    const stop = new AbortController();
    const all = AbortSignal.any([signal, stop.signal]);
    void this.#watchConnection(all);
    try {
      await Promise.all(
        this.#seats.map((seat) =>
          this.#supervise(seat, all).catch((error: unknown) => {
            stop.abort();
            throw error;
          }),
        ),
      );
    } finally {
      stop.abort();
      clearInterval(timer);
    }
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
        onCommitted: (how, count) => progress.advanced(how, count),
      },
      projection: seat.runnable.projection,
      id: seat.id,
      owner: instance,
      mayTake: () => this.#held().length < this.#share,
      onHeld: (isHeld) => {
        seat.isHeld = isHeld;
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

  #held(): Seat[] {
    return this.#seats.filter(({ isHeld }) => isHeld);
  }

  /** Every second: how the lanes are, for status and health; and whether others need a share. */
  async #look(): Promise<void> {
    const { pool, instance, progress, log } = this.#context;
    const held = this.#held();
    const lanes = held.map(({ id, monitor }) => ({ id, current: monitor.current }));
    // Those that are not held as well: without the database none can be.
    for (const { id, monitor } of this.#seats) {
      const { state, cause } = monitor.current;
      if (state === 'troubled') progress.troubled(nameOf(id), cause ?? 'unknown');
    }
    const halted = lanes.find(({ current }) => current.state === 'halted');
    progress.halted(
      halted === undefined ? undefined : `${nameOf(halted.id)}: ${halted.current.cause}`,
    );
    try {
      await reportLanes(pool, instance, lanes);
      this.#share = fairShare(this.#seats.length, await countWorkers(pool, instance));
    } catch (error) {
      log.debug({ reason: messageOf(error) }, 'the lanes could not be reported');
      return;
    }
    this.#giveUpExcess(held, log);
  }

  /** A worker has come: the last of the lanes held beyond the share go to it. */
  #giveUpExcess(held: readonly Seat[], log: Logger): void {
    for (const { id, yielding } of held.slice(this.#share)) {
      log.info({ ...id, share: this.#share }, 'the lane goes to another worker');
      yielding.abort();
    }
  }
}

function nameOf({ projection, generation, lane }: LaneId): string {
  return `projection ${projection}, generation ${generation}, lane ${lane}`;
}
