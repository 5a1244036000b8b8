import { setTimeout as delay } from 'node:timers/promises';
import { errors, type NatsConnection } from '@nats-io/transport-node';
import { EventError, type EventErrorCode } from './errors.ts';

/** The server's reply to an append. */
export interface PublishReply {
  readonly seq: number;
  readonly duplicate: boolean;
}

/** The server's error codes that matter to a publisher (nats-server, server/errors.json). */
const CODE = {
  wrongLastSequence: 10071,
  wrongLastSequenceUnknown: 10164,
  batchDuplicate: 10201,
  /** Limits of the account or the server. */
  resourcesExceeded: [10002, 10023, 10028, 10047],
  /** The store itself refused, with its own message: at a limit of the stream, or on a full disk. */
  storeFailed: 10077,
  otherStream: 10060,
  tooLarge: 10054,
  /**
   * Not stored now, but worth another attempt: system unavailable, id or expectation still being
   * processed, too many requests or batches at once, a batch cut short (by a restart).
   */
  passing: [10008, 10158, 10163, 10167, 10176, 10194, 10210],
} as const;

export class ServerRefusal extends Error {
  override readonly name = 'ServerRefusal';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }

  get isConflict(): boolean {
    return this.code === CODE.wrongLastSequence || this.code === CODE.wrongLastSequenceUnknown;
  }

  get isBatchDuplicate(): boolean {
    return this.code === CODE.batchDuplicate;
  }

  get isFull(): boolean {
    if (CODE.resourcesExceeded.some((code) => code === this.code)) return true;
    return this.code === CODE.storeFailed && /exceeded|no space/i.test(this.message);
  }

  get isOtherStream(): boolean {
    return this.code === CODE.otherStream;
  }

  get isTooLarge(): boolean {
    return this.code === CODE.tooLarge;
  }

  get isPassing(): boolean {
    return CODE.passing.some((code) => code === this.code);
  }

  /** The last sequence that the server names in "wrong last sequence: 42". */
  get actualSequence(): number | undefined {
    const found = /wrong last sequence: (\d+)/.exec(this.message)?.[1];
    return found === undefined ? undefined : Number(found);
  }
}

interface RawReply {
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: {
    readonly err_code?: number;
    readonly code?: number;
    readonly description?: string;
  };
}

/**
 * @throws ServerRefusal; Error when the reply is neither a refusal nor a confirmation, which leaves
 * the outcome unknown
 */
export function parseReply(text: string): PublishReply {
  const reply = JSON.parse(text) as RawReply;
  if (reply.error !== undefined) {
    throw new ServerRefusal(
      reply.error.err_code ?? reply.error.code ?? 0,
      reply.error.description ?? 'refused',
    );
  }
  const { seq, duplicate = false } = reply;
  if (seq === undefined || seq < 1) throw new Error('the reply confirms nothing');
  return { seq, duplicate };
}

/**
 * Repeats an attempt while its outcome is unknown or the server says that it may succeed later. A decision
 * of the server, of ours, or of the connection's permissions is final.
 */
export async function confirmed<Reply>(
  connection: NatsConnection,
  attempts: number,
  attempt: () => Promise<Reply>,
): Promise<Reply> {
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (number >= attempts || isFinal(error) || connection.isClosed()) throw error;
      await delay(Math.min(2_000, 50 * 2 ** number) * (0.5 + Math.random()));
    }
  }
}

function isFinal(error: unknown): boolean {
  if (error instanceof ServerRefusal) return !error.isPassing;
  return error instanceof EventError || isForbidden(error);
}

function isForbidden(error: unknown): boolean {
  return [error, error instanceof Error ? error.cause : undefined].some(
    (reason) => reason instanceof errors.PermissionViolationError,
  );
}

/** The meaning of a refusal for the publisher's caller. */
export function codeOf(refusal: ServerRefusal): EventErrorCode {
  if (refusal.isFull) return 'LOG_FULL';
  if (refusal.isTooLarge) return 'EVENT_TOO_LARGE';
  if (refusal.isOtherStream) return 'STREAM_MISSING';
  return refusal.isPassing ? 'BROKER_UNAVAILABLE' : 'APPEND_REFUSED';
}

/** Why there is no answer. A subject without listeners differs from a slow answer. */
export function unconfirmed(error: unknown, what: string): EventError {
  if (error instanceof EventError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (isForbidden(error)) {
    return new EventError('APPEND_REFUSED', `${what} is not permitted: ${reason}`, error);
  }
  if (error instanceof Error && /no responders/i.test(`${error.message} ${String(error.cause)}`)) {
    return new EventError('STREAM_MISSING', `no stream takes ${what}`, error);
  }
  return new EventError('BROKER_UNAVAILABLE', `${what} was not confirmed: ${reason}`, error);
}
