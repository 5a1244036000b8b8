import { Batcher, crashPoint, messageOf } from '@memfleet/runtime';
import { Refused } from '../admission/output-gate.ts';
import type { Claim } from '../claims/dedupe.ts';
import {
  advance,
  type CheckedJob,
  type ClaimedJob,
  type EndedJob,
  type Job,
  type ReadJob,
  type RecordedJob,
  type Settled,
} from '../job.ts';
import { type Outcome, park, retry } from '../outcome.ts';
import { ack } from './ack.ts';
import { claimBatch } from './claim.ts';
import { EarlyEvents } from './early-events.ts';
import { giveBack } from './give-back.ts';
import { Handling } from './handle.ts';
import { mark } from './mark.ts';
import { Outlet, type Standing, Taken } from './outlet.ts';
import { again, type Delivered, Publishing } from './publish.ts';
import { readBatch } from './read.ts';
import { Recorder } from './record.ts';
import { type FinishedClaim, recordedBefore, recordedOf, unclaimed } from './recorded-result.ts';
import { Releaser } from './release.ts';
import type { Running } from './running.ts';
import { outcomeOfUnstorable, withUse } from './unstorable.ts';

/** How long to leave an event alone that a live worker holds. */
const LEASED_ELSEWHERE_MS = 5_000;

/**
 * The life of an event in a stage:
 *
 *     read → claim → handle → record → publish → mark → ack
 *
 * Each step has a file of its own, and all but `handle` take many events at a time. A job that an earlier
 * step decided about skips the steps between: an event that cannot be read goes to `publish` with its dead
 * letter, and the redelivery of a finished event enters there too. A job leaves the chain early when
 *
 *     its claim is lost             → the broker gets no answer, since JetStream does not fence
 *     another worker holds it       → nak, to look at it later
 *     it is to be tried again       → release the claim, then nak
 *     only a newer version knows it → it waits in the tenant queue
 */
export class Chain<Extra> {
  readonly #run: Running<Extra>;
  readonly #early: EarlyEvents;
  readonly #handling: Handling<Extra>;
  readonly #recorder: Recorder<Extra>;
  readonly #releaser: Releaser;
  readonly #publishing: Publishing;
  readonly #recording: Batcher<CheckedJob<Extra>, Settled>;
  readonly #releasing: Batcher<EndedJob, Settled>;
  readonly #delivering: Batcher<RecordedJob, Settled>;

  constructor(run: Running<Extra>) {
    const { settings, output: gate, shutdown, log } = run;
    this.#run = run;
    this.#early = new EarlyEvents(run);
    this.#handling = new Handling(run);
    this.#recorder = new Recorder(run);
    this.#releaser = new Releaser(run);
    this.#publishing = new Publishing(run, (published) => this.#conclude(published));
    // Results that the database refuses altogether stay in memory, with their claims and heartbeats, until
    // it takes them: the calls that made them are not paid for twice.
    const recording = new Outlet<CheckedJob<Extra>, Settled>({
      gate,
      signal: shutdown.handBack,
      size: settings.batch,
      attempt: (jobs, standing) => this.#record(jobs, standing),
      // At least the claim can be given back, and the cost of the call noted.
      giveUp: (job) => this.#releasing.add(advance(job, { outcome: unrecorded(job.outcome) })),
      onWait: (job) => advance(job, { awaitsRecord: true }),
      onClosed: ({ cause }) => log.error({ cause }, 'results wait to be recorded'),
      onOpen: () => log.info('results are recorded again'),
    });
    const pace = { size: settings.batch, lingerMs: settings.linger };
    this.#recording = new Batcher({ ...pace, parallel: 3, flush: (jobs) => recording.put(jobs) });
    this.#releasing = new Batcher({ ...pace, parallel: 1, flush: (jobs) => this.#release(jobs) });
    this.#delivering = new Batcher({
      ...pace,
      parallel: 2,
      flush: async (jobs): Promise<(Settled | Promise<Settled>)[]> =>
        await this.#publishing.put(jobs),
    });
  }

  /**
   * Works on one batch. Each event in it ends settled, given back or left to its redelivery. It never throws:
   * nobody awaits it, and an unhandled error ends the process.
   */
  async take(batch: readonly Job[]): Promise<void> {
    const { config, reader, log } = this.#run;
    try {
      const { root } = config.log;
      const { readable, twins, unreadable, early } = readBatch(
        batch,
        root,
        this.#early.patience,
        reader,
      );
      for (const job of unreadable) void this.#end(job);
      giveBack(this.#run, twins, LEASED_ELSEWHERE_MS);
      void this.#early.putOff(early);
      for await (const claims of claimBatch(this.#run, this.#notInHand(readable))) {
        for (const [job, found] of claims) void this.#process(job, found);
      }
    } catch (error) {
      log.error({ events: batch.length, error }, 'a batch failed, it will be redelivered');
      // Events that were already being worked on or settled go on.
      const rest = batch.filter(({ settling, claim }) => !settling && claim === undefined);
      giveBack(this.#run, rest, 1_000);
    }
  }

  /** Leaves events that are already in hand to their holder, and looks at them later. */
  #notInHand(jobs: readonly ReadJob[]): readonly ReadJob[] {
    const { slots } = this.#run;
    const { own = [], inHand = [] } = Object.groupBy(jobs, (job) =>
      slots.keep(job, job.request.key) ? 'own' : 'inHand',
    );
    giveBack(this.#run, inHand, LEASED_ELSEWHERE_MS);
    return own;
  }

  /** Never throws, like `take`. An event that fails here keeps its claim until that expires, which counts. */
  async #process(job: ReadJob, found: Claim): Promise<void> {
    const { slots, progress, log } = this.#run;
    try {
      switch (found.kind) {
        case 'claimed': {
          const { token, redrives, sequence, attempt: attempts, abandoned } = found;
          const claim = { key: job.request.key, token, redrives };
          await this.#handle(advance(job, { claim, sequence, attempts, abandoned }));
          return;
        }
        case 'conflict': {
          const reason = `event ${job.request.eventId} already came with another payload`;
          const outcome = park('conflicting_payload', reason);
          await this.#end(advance(job, { outcome, attempts: 0 }));
          return;
        }
        case 'leased':
          giveBack(this.#run, [job], LEASED_ELSEWHERE_MS);
          return;
        case 'finished':
          await this.#endAgain(job, found);
      }
    } catch (error) {
      progress.advanced('failed');
      const { eventId } = job.request;
      log.error({ eventId, error }, 'event could not be worked on, it will be redelivered');
      slots.letGo(job);
    }
  }

  async #handle(job: ClaimedJob): Promise<void> {
    const outcome = await this.#handling.handle(job);
    if (outcome === undefined) this.#run.slots.letGo(job);
    else await this.#end(advance(job, { outcome }));
  }

  async #end(job: EndedJob<Extra>): Promise<void> {
    const { outcome, attempts, event } = job;
    if (outcome.kind === 'retry') {
      const { cause: reason, afterMs } = outcome;
      const what = { eventId: event?.id, attempts, reason, afterMs };
      this.#run.log.warn(what, 'event will be tried again');
    }
    await this.#counted(job, () => this.settle(job));
  }

  /** Handles the redelivery of a finished event: publishes what may be missing, and acks. */
  async #endAgain(job: ReadJob, found: FinishedClaim): Promise<void> {
    await this.#counted(job, async () => {
      const settled = await this.settleAgain(job, found);
      return settled === 'failed' ? settled : 'repeated';
    });
  }

  /** Counts how a job ends, and lets go of it. */
  async #counted(job: Job, end: () => Promise<Settled | 'repeated'>): Promise<void> {
    const { log, progress, slots } = this.#run;
    slots.beginSettling(job);
    try {
      progress.advanced(await end());
    } catch (error) {
      progress.advanced('failed');
      const eventId = job.event?.id;
      log.error({ eventId, error }, 'event could not be settled, it will be redelivered');
    } finally {
      slots.letGo(job);
    }
  }

  /** Takes an event with an outcome to its end. */
  async settle(job: EndedJob<Extra>): Promise<Settled> {
    const { outcome, claim } = job;
    if (outcome.kind === 'retry') return await this.#releasing.add(job);
    if (claim === undefined) {
      return await this.#delivering.add(advance(job, { recorded: unclaimed(job) }));
    }
    // An event that the log would refuse must be found before it is recorded, or it could never leave.
    const derived = outcome.kind === 'done' ? this.#publishing.prepare(outcome.events) : [];
    return await this.#recording.add(
      typeof derived === 'string'
        ? advance(job, { outcome: withUse(park('invalid_output', derived), outcome), derived: [] })
        : advance(job, { derived }),
    );
  }

  /** Publishes what an earlier delivery recorded, with the ids it was recorded with; then acks. */
  async settleAgain(job: ReadJob, found: FinishedClaim): Promise<Settled> {
    return await this.#delivering.add(advance(job, { recorded: recordedBefore(job, found) }));
  }

  /** record → publish → mark → ack. The events of lost claims are not reported to the broker. */
  async #record(
    jobs: readonly CheckedJob<Extra>[],
    standing: Standing,
  ): Promise<(Taken<Settled> | Refused)[]> {
    const answers = await this.#recorder.record(jobs, standing);
    const recorded = jobs.flatMap((job, index) => {
      const answer = answers[index];
      if (answer instanceof Refused || answer?.kind !== 'recorded') return [];
      return [advance(job, { awaitsRecord: false, recorded: recordedOf(job) })];
    });
    if (recorded.length > 0) crashPoint('after-record');
    const delivered = (await this.#publishing.put(recorded)).values();
    return jobs.map((job, index) => {
      const answer = answers[index] ?? { kind: 'unknown' };
      if (answer instanceof Refused) return answer;
      switch (answer.kind) {
        case 'recorded':
          return new Taken(delivered.next().value ?? 'failed', this.#recorder.proves(job));
        case 'lost':
          return new Taken<Settled>('lost', false);
        case 'unstorable':
          return new Taken(this.#unstorable(job, answer.error), false);
        case 'unknown':
          break;
      }
      return new Taken<Settled>('failed', false);
    });
  }

  async #unstorable(job: CheckedJob<Extra>, error: unknown): Promise<Settled> {
    const { log, settings } = this.#run;
    const { attempts, event } = job;
    const reason = messageOf(error);
    const next = outcomeOfUnstorable(job, error, settings.maxAttempts);
    if (next === undefined) {
      // Its claim expires, and counts as abandoned.
      log.error(
        { eventId: event?.id, reason },
        'an event could not be parked, it will be redelivered',
      );
      return 'failed';
    }
    log.error({ eventId: event?.id, attempts, reason }, 'a result could not be stored');
    return await this.settle(advance(job, next));
  }

  /** The last steps: mark → ack. An event that cannot be marked is not acked, so it is redelivered. */
  async #conclude(published: readonly RecordedJob[]): Promise<Delivered[]> {
    crashPoint('after-publish');
    if (!(await mark(this.#run, published))) return published.map(again);
    crashPoint('before-ack');
    await ack(this.#run, published);
    return published.map(({ recorded }) => recorded.state);
  }

  /** The other way out: gives claims back and naks. */
  async #release(jobs: readonly EndedJob[]): Promise<Settled[]> {
    const kept = await this.#releaser.release(jobs);
    return jobs.map(({ claim, message, outcome }) => {
      if (claim !== undefined && !kept.has(claim)) return 'lost';
      message.nak(outcome.kind === 'retry' ? outcome.afterMs : 0);
      return 'retried';
    });
  }
}

function unrecorded(outcome: Outcome<unknown>): Outcome<never> {
  return withUse(retry(0, 'shutting down', false), outcome);
}
