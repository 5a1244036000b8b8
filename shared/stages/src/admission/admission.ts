import type { Pause, ProviderGate } from '@memfleet/models';
import type { OperatorPause } from './operator-pause.ts';
import type { OutputGate } from './output-gate.ts';
import type { RequestSize } from './request-size.ts';

/** The shortest delay before an event is redelivered that was given back during a pause. */
const PAUSED_MS = 1_000;
/** The longest such delay: nothing is pulled in a pause anyway, and it may end early. */
const MOST_PAUSED_MS = 2_000;

/**
 * Whether a stage may take events, and how many. It combines the operator's pause, the gate to the
 * provider, the gate to the places where results go, and the free slots.
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

  /**
   * For an event that was requested before a pause began: when to redeliver it, in ms; undefined while
   * there is no pause.
   */
  get redeliverAfterMs(): number | undefined {
    const { pause } = this;
    if (pause === undefined) return undefined;
    return Math.max(PAUSED_MS, Math.min(MOST_PAUSED_MS, pause.untilMs - performance.now()));
  }

  /**
   * Waits until a source may request events, and reserves slots for them.
   * @param most how many the source has at most
   * @returns how many may be requested: one for a probe, 0 when the signal ends the wait
   */
  async permits(
    size: RequestSize,
    signal: AbortSignal,
    most: number = Number.POSITIVE_INFINITY,
  ): Promise<number> {
    return await size.reserve(Math.min(most, await this.#ready(signal)), signal);
  }

  /** Waits until work may be taken. @returns how much: one event for a probe, else no bound. */
  async #ready(signal: AbortSignal): Promise<number> {
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
