import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import type { Progress } from './progress.ts';

const INTERVAL_MS = 2_000;

/** How many events wait for a worker, asked now and then: health needs an answer at once. */
export class Backlog {
  readonly #progress: Progress;
  #count: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  /** Undefined while it is not known. */
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
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void once(), INTERVAL_MS);
    void once();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
