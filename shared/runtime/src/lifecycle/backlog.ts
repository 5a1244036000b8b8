import { every, type Repeated } from '../async/every.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import type { Progress } from './progress.ts';

const INTERVAL_MS = 2_000;

/** How many events wait for a worker, polled now and then: health checks need an immediate answer. */
export class Backlog {
  readonly #progress: Progress;
  #count: number | undefined;
  #repeated: Repeated | undefined;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  /** Undefined while unknown. */
  get count(): number | undefined {
    return this.#count;
  }

  watch(ask: () => Promise<number>, log: Logger): void {
    const once = async (): Promise<void> => {
      try {
        this.#count = await ask();
        this.#progress.waiting(this.#count);
      } catch (error) {
        this.#count = undefined;
        log.debug({ reason: messageOf(error) }, 'the backlog is not known');
      }
    };
    void once();
    this.#repeated = every(INTERVAL_MS, once);
  }

  async stop(): Promise<void> {
    await this.#repeated?.stop();
  }
}
