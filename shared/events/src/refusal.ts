import { EventError, type EventErrorCode } from './errors.ts';

/** What the server said to an append. */
export interface PublishReply {
  readonly seq: number;
  readonly duplicate: boolean;
}

/** The server's codes that mean something to a publisher (nats-server, server/errors.json). */
const CODE = {
  wrongLastSequence: 10071,
  wrongLastSequenceUnknown: 10164,
  batchDuplicate: 10201,
  streamFull: [10002, 10023, 10028, 10047, 10077],
  otherStream: 10060,
  tooLarge: 10054,
  /**
   * Not stored now, and worth another attempt: system unavailable, id or expectation still in
   * process, too many requests, a batch cut short (by a restart).
   */
  passing: [10008, 10158, 10163, 10167, 10176],
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
    return CODE.streamFull.some((code) => code === this.code);
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

/** @throws ServerRefusal */
export function parseReply(text: string): PublishReply {
  const reply = JSON.parse(text) as RawReply;
  if (reply.error !== undefined) {
    throw new ServerRefusal(
      reply.error.err_code ?? reply.error.code ?? 0,
      reply.error.description ?? 'refused',
    );
  }
  return { seq: reply.seq ?? 0, duplicate: reply.duplicate ?? false };
}

/** What a refusal means to the publisher's caller. */
export function codeOf(refusal: ServerRefusal): EventErrorCode {
  if (refusal.isFull) return 'LOG_FULL';
  if (refusal.isTooLarge) return 'EVENT_TOO_LARGE';
  if (refusal.isOtherStream) return 'STREAM_MISSING';
  return refusal.isPassing ? 'BROKER_UNAVAILABLE' : 'BATCH_REJECTED';
}

/** No stream listens on the subject: nobody answers, which is not the same as a slow answer. */
export function unconfirmed(error: unknown, what: string): EventError {
  if (error instanceof Error && /no responders/i.test(`${error.message} ${String(error.cause)}`)) {
    return new EventError('STREAM_MISSING', `no stream takes ${what}`, error);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return new EventError('BROKER_UNAVAILABLE', `${what} was not confirmed: ${reason}`, error);
}
