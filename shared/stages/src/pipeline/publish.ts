import { CodedError, type Envelope, type PreparedEvent, Publisher } from '@memfleet/events';
import { crashPoint, messageOf } from '@memfleet/runtime';
import { PROBE_AFTER_MS, Refused } from '../admission/output-gate.ts';
import type { Finished } from '../claims/dedupe.ts';
import { isUnanswered, parkMessage } from '../dead-letters/dead-letter.ts';
import type { ParkedResult, RecordedJob } from '../job.ts';
import { backoffMs } from './backoff.ts';
import { Blame } from './blame.ts';
import { Outlet, type Standing, Taken } from './outlet.ts';
import { DerivedPublisher, type PublishAnswer } from './publish-derived.ts';
import type { Running } from './running.ts';

export type PublishRun = Pick<
  Running,
  'config' | 'connection' | 'log' | 'output' | 'settings' | 'shutdown' | 'stage'
>;

/** The recorded state, or `failed` when it did not reach the broker. */
export type Delivered = Finished['state'] | 'failed';

type Answers = readonly (Taken<Delivered> | Refused)[];

/**
 * Publishes what is recorded: derived events to the log, a dead letter to the dead letters. Only recorded
 * outcomes come here, so the next delivery repeats whatever fails, with the same ids. Outcomes that the log
 * or the dead letters refuse altogether, as when they are full, wait until they are accepted.
 */
export class Publishing {
  readonly #run: PublishRun;
  readonly #conclude: (published: readonly RecordedJob[]) => Promise<Delivered[]>;
  readonly #derived: DerivedPublisher;
  readonly #toLog: Outlet<RecordedJob, Delivered>;
  readonly #toLetters: Outlet<RecordedJob, Delivered>;
  readonly #blame = new Blame(nameOf);

  /** @param conclude the steps after this one, for jobs that are out or have nothing to publish */
  constructor(
    run: PublishRun,
    conclude: (published: readonly RecordedJob[]) => Promise<Delivered[]>,
  ) {
    const { config, settings, connection, log, output: gate, shutdown } = run;
    this.#run = run;
    this.#conclude = conclude;
    const publisher = new Publisher(connection, {
      log: config.log,
      limits: { maxDataBytes: config.log.maxDataBytes, maxAheadMs: config.log.maxAhead },
    });
    this.#derived = new DerivedPublisher(publisher, log);
    const outlet = (
      what: string,
      attempt: (jobs: readonly RecordedJob[], standing: Standing) => Promise<Answers>,
    ): Outlet<RecordedJob, Delivered> =>
      new Outlet({
        gate,
        // Any process can publish what is recorded.
        signal: shutdown.stop,
        size: settings.batch,
        attempt,
        giveUp: again,
        onClosed: ({ cause }) => log.error({ cause }, `${what} wait: nothing new starts`),
        onOpen: () => log.info(`${what} are accepted again`),
      });
    this.#toLog = outlet('results', (jobs, standing) => this.#publish(jobs, standing));
    this.#toLetters = outlet('dead letters', (jobs, standing) => this.#park(jobs, standing));
  }

  /** Prepares the events for publishing, or says why the log would refuse them. */
  prepare(events: readonly Envelope[]): readonly PreparedEvent[] | string {
    return this.#derived.prepare(events);
  }

  /**
   * @returns for each job its state, or `failed` if it will be redelivered; a promise of that for jobs that
   *   wait until the log or the dead letters accept anything
   */
  async put(jobs: readonly RecordedJob[]): Promise<(Delivered | Promise<Delivered>)[]> {
    const letters = jobs.filter(({ recorded }) => recorded.parked !== undefined);
    // Jobs with nothing to publish go along with the others, unless the others have to wait.
    const { isOpen } = this.#toLog;
    const isForLog = ({ recorded: { parked, events } }: RecordedJob): boolean =>
      parked === undefined && (isOpen || events.length > 0);
    const forLog = jobs.filter(isForLog);
    const others = jobs.filter((job) => job.recorded.parked === undefined && !isForLog(job));
    const [ofLog, ofLetters, ofOthers] = await Promise.all([
      this.#toLog.put(forLog),
      this.#toLetters.put(letters),
      others.length === 0 ? [] : this.#conclude(others),
    ]);
    const results = new Map<RecordedJob, Delivered | Promise<Delivered>>([
      ...forLog.map((job, index) => [job, ofLog[index] ?? 'failed'] as const),
      ...letters.map((job, index) => [job, ofLetters[index] ?? 'failed'] as const),
      ...others.map((job, index) => [job, ofOthers[index] ?? 'failed'] as const),
    ]);
    return jobs.map((job) => results.get(job) ?? 'failed');
  }

  async #publish(jobs: readonly RecordedJob[], standing: Standing): Promise<Answers> {
    const derived = jobs
      .filter(({ recorded }) => recorded.events.length > 0)
      .map((job) => ({ eventKey: job.recorded.key ?? '', events: job.recorded.events, job }));
    const offered = await this.#derived.publish(derived);
    const answers = new Map([...offered].map(([{ job }, answer]) => [job, answer] as const));
    return await this.#answer(jobs, answers, standing);
  }

  async #park(jobs: readonly RecordedJob[], standing: Standing): Promise<Answers> {
    const answers = new Map<RecordedJob, PublishAnswer>();
    await Promise.all(
      jobs.map(async (job) => {
        const { parked } = job.recorded;
        if (parked !== undefined) answers.set(job, await this.#parkOne(job, parked));
      }),
    );
    if ([...answers.values()].includes('published')) crashPoint('after-park');
    return await this.#answer(jobs, answers, standing);
  }

  /** Concludes the jobs that are out. Jobs that were not offered have nothing to publish. */
  async #answer(
    jobs: readonly RecordedJob[],
    offered: ReadonlyMap<RecordedJob, PublishAnswer>,
    standing: Standing,
  ): Promise<Answers> {
    const answers = this.#blame.of(offered, standing === 'proven' && jobs.length === 1);
    const out = jobs.filter((job) => (answers.get(job) ?? 'published') === 'published');
    const states = (out.length === 0 ? [] : await this.#conclude(out)).values();
    return jobs.map((job) => {
      const answer = answers.get(job) ?? 'published';
      if (answer instanceof Refused) return answer;
      if (answer === 'unpublishable') return new Taken(again(job), false);
      return new Taken<Delivered>(states.next().value ?? 'failed', answers.has(job));
    });
  }

  async #parkOne(
    { message, event, recorded: { redrives } }: RecordedJob,
    parked: ParkedResult,
  ): Promise<'published' | Refused> {
    const { stage, config, connection, log } = this.#run;
    const ids = {
      eventId: event?.id,
      correlationId: event?.correlationid,
      traceparent: event?.traceparent,
    };
    let where: typeof ids & { readonly sequence?: number } = ids;
    try {
      where = { sequence: message.info.streamSequence, ...ids };
      await parkMessage(connection, config, message, {
        stage: stage.name,
        stageVersion: stage.version,
        redrives,
        ...parked,
        ...ids,
      });
    } catch (error) {
      log.error({ ...where, error }, 'event could not be parked, trying again');
      return refusalOfLetter(error);
    }
    const { reason, attempts, message: cause } = parked;
    log.error({ ...where, attempts, reason, cause }, 'event parked in the dead letters');
    return 'published';
  }
}

/** The event's place in the log, since an event that could not be read has no key. */
function nameOf({ message, recorded }: RecordedJob): string {
  return `${message.info.streamSequence} ${recorded.redrives}`;
}

/** Gives an event back, with a delay that grows with the number of its deliveries. */
export function again({ message }: RecordedJob): 'failed' {
  message.nak(backoffMs(message.info.deliveryCount));
  return 'failed';
}

function refusalOfLetter(error: unknown): Refused {
  const isCoded = error instanceof CodedError;
  // Only the server can say that it accepts no letters at all. A letter that is refused without a limit
  // being hit, or that cannot even be sent, may be at fault itself.
  const isCertain =
    isUnanswered(error) ||
    (isCoded && (error.code === 'DEAD_LETTERS_FULL' || error.code === 'STREAM_MISSING'));
  const hint = isCoded ? `. ${error.hint}` : '';
  return new Refused(
    `no dead letter is accepted: ${messageOf(error)}${hint}`,
    isCertain ? PROBE_AFTER_MS.certain : PROBE_AFTER_MS.unclear,
  );
}
