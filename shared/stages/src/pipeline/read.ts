import {
  type Decoded,
  eventKey,
  type EventRegistry,
  payloadDigest,
  registry,
} from '@memfleet/events';
import { messageOf } from '@memfleet/runtime';
import { advance, type EndedJob, type Job, type ReadJob } from '../job.ts';
import { type Outcome, park } from '../outcome.ts';
import type { Patience } from './patience.ts';

type Known = ReadJob['decoded'];

/** An event that this version of the stage cannot read. */
export type UnknownJob = Job & { readonly decoded: Exclude<Decoded, Known> };

/** An event that cannot be worked on, and is parked. */
export type UnreadableJob = UnknownJob & EndedJob<never>;

export interface ReadBatch {
  readonly readable: readonly ReadJob[];
  /** Further copies of an event in the same batch: the first of the log is claimed, the others wait. */
  readonly twins: readonly Job[];
  readonly unreadable: readonly UnreadableJob[];
  /** Events that a newer worker may know: during a rolling deploy, it takes them. */
  readonly early: readonly UnknownJob[];
}

/** Decodes bytes into events. */
export type Reader = Pick<EventRegistry, 'decode'>;

/**
 * Turns bytes into events. `root` is the first token of the log's subjects. An error caused by the bytes of
 * one event affects only that event: it is parked, and can be redriven once the reader is fixed.
 */
export function readBatch(
  batch: readonly Job[],
  root: string,
  patience: Patience,
  reader: Reader = registry,
): ReadBatch {
  const readable = new Map<string, ReadJob>();
  const twins: Job[] = [];
  const unreadable: UnreadableJob[] = [];
  const early: UnknownJob[] = [];
  for (const one of batch) {
    const job = readOne(one, root, reader);
    if (!isRead(job)) {
      const outcome = outcomeOf(job, patience);
      if (outcome === undefined) early.push(job);
      else unreadable.push(advance(job, { outcome, attempts: 0 }));
      continue;
    }
    const { key, sequence } = job.request;
    const twin = readable.get(key);
    const isFirst = twin === undefined || sequence < twin.request.sequence;
    if (isFirst) readable.set(key, job);
    if (twin !== undefined) twins.push(isFirst ? twin : job);
  }
  return { readable: [...readable.values()], twins, unreadable, early };
}

function isRead(job: ReadJob | UnknownJob): job is ReadJob {
  return job.decoded.kind === 'known';
}

function readOne(job: Job, root: string, reader: Reader): ReadJob | UnknownJob {
  const { message } = job;
  try {
    const decoded = reader.decode(message.data, { root, subject: message.subject });
    if (decoded.kind === 'invalid') return advance(job, { decoded });
    if (decoded.kind !== 'known') return advance(job, { decoded, event: decoded.envelope });
    const { envelope } = decoded;
    const request = {
      key: eventKey(envelope),
      tenant: envelope.tenantid,
      eventId: envelope.id,
      sequence: message.info.streamSequence,
      digest: payloadDigest(envelope),
    };
    return advance(job, { decoded, event: envelope, request });
  } catch (error) {
    const reason = `it could not be read: ${messageOf(error)}`;
    return advance(job, { decoded: { kind: 'invalid' as const, reason } });
  }
}

/** @returns undefined while a newer worker may still come */
function outcomeOf(
  { message, decoded }: UnknownJob,
  patience: Patience,
): Outcome<never> | undefined {
  if (decoded.kind === 'invalid') return park('invalid_event', decoded.reason);
  if (!patience.isOver(message.info.streamSequence)) return undefined;
  return park(decoded.kind === 'newer' ? 'newer_version' : 'unknown_type', decoded.reason);
}
