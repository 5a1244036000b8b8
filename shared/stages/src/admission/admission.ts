import type { Pause, ProviderGate } from '@memfleet/models';
import type { OperatorPause } from './operator-pause.ts';
import type { OutputGate } from './output-gate.ts';

/**
 * Whether a stage may take events, and how many: what its operator says, the gate to its provider and the
 * gate to the places that its results go to, as one.
 */
export class Admission {
  readonly #operator: OperatorPause | undefined;
  readonly #provider: ProviderGate;
  readonly #output: OutputGate;

  constructor(provider: ProviderGate, output: OutputGate, operator?: OperatorPause) {
    this.#operator = operator;
    this.#provider = provider;
    this.#output = output;
  }

  get pause(): Pause | undefined {
    return this.#operator?.pause ?? this.#output.pause ?? this.#provider.pause;
  }

  /** Why nothing is taken, while a probe is under way too. */
  get cause(): string | undefined {
    return this.#operator?.pause?.cause ?? this.#output.cause ?? this.#provider.cause;
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
      await this.#operator?.ready(signal);
      const room = await this.#output.ready(signal);
      const most = Math.min(room, await this.#provider.ready(signal));
      // The others may have closed while the provider was waited for.
      const isOpen = this.#output.pause === undefined && this.#operator?.pause === undefined;
      if (signal.aborted || isOpen) return most;
    }
  }
}
