import { join } from 'node:path';
import { WORKER_FLAGS } from '@memfleet/runtime';
import { leash, type Leashed } from '../leash.ts';
import { LogFile } from './log-file.ts';
import type { RunningWorker } from './options.ts';

// A worker that keeps failing is restarted ever more rarely; one that ran for a while, at once.
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
const STEADY_AFTER_MS = 30_000;

export interface WorkerOptions {
  /** The program for Node: a file, and its arguments. */
  readonly program: readonly string[];
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  /** Working directory: relative paths of the configuration are the user's. */
  readonly cwd: string;
  readonly logDir: string;
  /** Time from SIGTERM to SIGKILL. */
  readonly graceSeconds: number;
  readonly onProgress: ((message: string) => void) | undefined;
  readonly onLine: ((line: string) => void) | undefined;
}

/** One worker process, restarted whenever it ends by itself, until it is stopped. */
export class SupervisedWorker implements RunningWorker {
  readonly name: string;
  readonly logFile: string;
  readonly #options: WorkerOptions;
  readonly #log: LogFile;
  readonly #stopping = new AbortController();
  readonly #firstEnd = Promise.withResolvers<string>();
  #process: Leashed | undefined;
  #restarts = 0;
  #life: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.name = options.name;
    this.logFile = join(options.logDir, `${options.name}.log`);
    this.#log = new LogFile(this.logFile);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Settles with the last log line when the process first ends by itself: at the start, a reason to give up. */
  get firstEnd(): Promise<string> {
    return this.#firstEnd.promise;
  }

  async start(): Promise<void> {
    this.#process = await this.#launch();
    this.#life = this.#watch(this.#process);
  }

  async stop(): Promise<void> {
    await this.#end((process) => process.stop());
  }

  async kill(): Promise<void> {
    await this.#end((process) => process.kill());
  }

  async #end(how: (process: Leashed) => Promise<void>): Promise<void> {
    this.#stopping.abort();
    if (this.#process !== undefined) await how(this.#process);
    await this.#life;
    this.#log.end();
  }

  #launch(): Promise<Leashed> {
    const { program, env, cwd, graceSeconds, onLine } = this.#options;
    return leash({
      command: process.execPath,
      args: [...WORKER_FLAGS, ...program],
      stopSignal: 'SIGTERM',
      graceSeconds,
      env,
      cwd,
      onLine: (line) => {
        this.#log.write(line);
        onLine?.(line);
      },
    });
  }

  async #watch(first: Leashed): Promise<void> {
    let running = first;
    let pause = FIRST_PAUSE_MS;
    for (;;) {
      const startedAt = performance.now();
      const { reason } = await running.exited;
      this.#process = undefined;
      if (this.#stopping.signal.aborted) return;
      this.#firstEnd.resolve(`${reason}; its last line: ${lastLine(running)}`);
      if (performance.now() - startedAt > STEADY_AFTER_MS) pause = FIRST_PAUSE_MS;
      this.#options.onProgress?.(
        `worker ${this.name} ended by itself (${reason}), restarting it in ${pause} ms; its log is ${this.logFile}`,
      );
      await this.#pause(pause);
      if (this.#stopping.signal.aborted) return;
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      this.#restarts += 1;
      running = await this.#launch();
      this.#process = running;
      // Stopped during its start: nobody else knows this process yet.
      if (this.#stopping.signal.aborted) await running.stop();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#stopping.signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer);
          resolve();
        },
        { once: true },
      );
    });
  }
}

/** The message of a worker's last log line, which is JSON; or the line itself. */
function lastLine(ended: Leashed): string {
  const line = ended.lastLines().split('\n').at(-1) ?? '';
  try {
    const parsed: unknown = JSON.parse(line);
    const message = (parsed as { msg?: unknown } | null)?.msg;
    return typeof message === 'string' ? message : line;
  } catch {
    return line; // not one of our log lines, but for example Node's own output
  }
}
