import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from './until.ts';

/** Nothing of the environment but the path, and the folder of Node's compile cache. */
const PLAIN = {
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
};

const READY = '"msg":"started"';

/** A worker in a process of its own, as `memfleet worker` and containers run it. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #log = '';

  /** @param program a file, or a file and its arguments */
  constructor(program: string | readonly string[], env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, [program].flat(), {
      env: { ...PLAIN, ...env },
      // Through the channel it notices when the tests have ended, and does not outlive them.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.#log += data.toString();
    });
    this.#exited = once(this.#child, 'exit');
  }

  /** Everything the process has logged. */
  get log(): string {
    return this.#log;
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the worker could not be started');
    return pid;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async ready(): Promise<void> {
    await until('the worker is ready', () => {
      if (this.#log.includes(READY)) return true;
      if (this.#child.exitCode !== null) throw new Error(`the worker ended: ${this.#log}`);
      return undefined;
    });
  }

  /** Waits for its end. @returns the exit code, or the signal that ended it */
  async ended(): Promise<number | NodeJS.Signals | null> {
    await this.#exited;
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  /** @throws with its log, when it does not end as expected: by an exit code, or by a signal */
  async endsWith(expected: number | NodeJS.Signals): Promise<void> {
    const how = await this.ended();
    if (how !== expected) {
      throw new Error(`the worker ended with ${how}, not with ${expected}:\n${this.#log}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
