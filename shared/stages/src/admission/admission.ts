import type { Pause, ProviderGate } from '@memfleet/models';
import type { OperatorPause } from './operator-pause.ts';
import type { OutputGate } from './output-gate.ts';

/**
 * Whether a stage may take events, and how many. It combines the operator's pause, the gate to the
 * provider and the gate to the places where results go.
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

  /** Why the stage takes nothing; also set while a probe is under way. */
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
      // The others may have closed during the wait for the provider.
      const isOpen = this.#output.pause === undefined && this.#operator?.pause === undefined;
      if (signal.aborted || isOpen) return most;
    }
  }
}
