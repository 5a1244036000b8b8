import type { Pause } from '@memfleet/models';
import {
  every,
  type Logger,
  messageOf,
  type Queryable,
  type Repeated,
  sleep,
} from '@memfleet/runtime';

/** The most time until a process heeds a pause; with the database's answer it stays below a second. */
const LOOK_EVERY_MS = 500;
const WAIT_MS = 50;

/** A stage that an operator has paused. */
export interface StagePause {
  readonly stage: string;
  readonly reason: string;
  readonly since: Date;
}

/**
 * Pauses a stage: its processes finish what they hold, and take nothing new.
 * @returns the pause; an earlier pause keeps its time and takes the new reason
 */
export async function pauseStage(
  db: Queryable,
  stage: string,
  reason: string,
): Promise<StagePause & { readonly isNew: boolean }> {
  const { rows } = await db.query<{ since: Date; isNew: boolean }>({
    name: 'stage-pause',
    text: `insert into memfleet.stage_pauses as pause (stage, reason) values ($1, $2)
      on conflict (stage) do update set reason = excluded.reason
      returning paused_at as since, xmax = 0 as "isNew"`,
    values: [stage, reason],
  });
  const { since = new Date(), isNew = true } = rows[0] ?? {};
  return { stage, reason, since, isNew };
}

/** Ends the pause of a stage. @returns the pause that ended, if there was one */
export async function resumeStage(db: Queryable, stage: string): Promise<StagePause | undefined> {
  const { rows } = await db.query<StagePause>({
    name: 'stage-resume',
    text: `delete from memfleet.stage_pauses where stage = $1
      returning stage, reason, paused_at as since`,
    values: [stage],
  });
  return rows[0];
}

/** The stages that are paused now, by name. */
export async function pausedStages(db: Queryable): Promise<ReadonlyMap<string, StagePause>> {
  const { rows } = await db.query<StagePause>({
    name: 'stage-pauses',
    text: 'select stage, reason, paused_at as since from memfleet.stage_pauses',
  });
  return new Map(rows.map((pause) => [pause.stage, pause]));
}

/** How a worker and `status` describe a pause. */
export function pauseCause({ stage, reason, since }: StagePause): string {
  return `paused by an operator since ${since.toISOString()}: ${reason}. Resume it with \`memfleet stage resume ${stage}\`.`;
}

/**
 * One process's view of the pause of its stage. Without an answer from the database the last one holds.
 * Before the first answer the process takes nothing, since the stage may be paused.
 */
export class OperatorPause {
  readonly #db: Queryable;
  readonly #stage: string;
  readonly #log: Logger;
  #pause: Pause | undefined;
  #hasLooked = false;
  #repeated: Repeated | undefined;

  constructor({ db, stage, log }: { db: Queryable; stage: string; log: Logger }) {
    this.#db = db;
    this.#stage = stage;
    this.#log = log;
  }

  /** Looks once before it returns: a process that starts in a pause takes nothing. */
  async start(): Promise<void> {
    await this.#look();
    this.#repeated = every(LOOK_EVERY_MS, () => this.#look());
  }

  stop(): void {
    // A look under way changes nothing any more, and may wait for a database that is away.
    void this.#repeated?.stop();
  }

  /** The pause, which lasts until an operator ends it. */
  get pause(): Pause | undefined {
    return this.#pause;
  }

  /** Waits until the stage is not paused. */
  async ready(signal: AbortSignal): Promise<void> {
    while (this.#pause !== undefined && !signal.aborted) await sleep(WAIT_MS, signal);
  }

  async #look(): Promise<void> {
    try {
      const found = (await pausedStages(this.#db)).get(this.#stage);
      const cause = found && pauseCause(found);
      this.#hasLooked = true;
      if (cause === this.#pause?.cause) return;
      this.#pause = cause === undefined ? undefined : { cause, untilMs: Number.POSITIVE_INFINITY };
      if (cause === undefined) this.#log.info('the stage is resumed');
      else this.#log.warn({ cause }, 'the stage is paused, nothing new starts');
    } catch (error) {
      const reason = messageOf(error);
      this.#log.debug({ reason }, 'whether the stage is paused could not be read');
      if (this.#hasLooked) return;
      const cause = `the database does not say whether an operator paused the stage: ${reason}`;
      this.#pause = { cause, untilMs: Number.POSITIVE_INFINITY };
    }
  }
}
