import type { Pause, ProviderGate } from '@memfleet/models';
import type { OutputGate } from './output-gate.ts';

/**
 * Whether a stage may take events, and how many: the gate to its provider and the gate to the places
 * that its results go to, as one.
 */
export class Admission {
  readonly #provider: ProviderGate;
  readonly #output: OutputGate;

  constructor(provider: ProviderGate, output: OutputGate) {
    this.#provider = provider;
    this.#output = output;
  }

  get pause(): Pause | undefined {
    return this.#output.pause ?? this.#provider.pause;
  }

  /** Why nothing is taken, while a probe is under way too. */
  get cause(): string | undefined {
    return this.#output.cause ?? this.#provider.cause;
  }

  get note(): string | undefined {
    return this.#provider.note;
  }

  isSpent(tenant: string): boolean {
    return this.#provider.isSpent(tenant);
  }

  get spentTenants(): readonly string[] {
    return this.#provider.spentTenants;
  }

  /** Waits until work may be taken. @returns how much: one event for a probe, else no bound. */
  async ready(signal: AbortSignal): Promise<number> {
    for (;;) {
      const room = await this.#output.ready(signal);
      const most = Math.min(room, await this.#provider.ready(signal));
      // The output may have closed while the provider was waited for.
      if (signal.aborted || this.#output.pause === undefined) return most;
    }
  }
}
