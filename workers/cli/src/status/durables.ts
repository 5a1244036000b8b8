import { consumerInfo, firstStored, type JetStreamManager } from '@memfleet/runtime';

/** What a durable has not finished. */
export interface DurableLag {
  readonly lagEvents: number;
  readonly lagSeconds: number;
  /** Messages that were redelivered and are not finished yet. */
  readonly redeliveries: number;
}

/** Lag of a durable: messages not delivered or not acked yet, and the age of the oldest of them. */
export async function durableLag(
  jsm: JetStreamManager,
  stream: string,
  durable: string,
  now: number,
): Promise<DurableLag> {
  const info = await consumerInfo(jsm, stream, durable);
  const lagEvents = info.num_pending + info.num_ack_pending;
  const filter = info.config.filter_subject;
  const oldest =
    lagEvents === 0
      ? undefined
      : await firstStored(jsm, stream, {
          from: info.ack_floor.stream_seq + 1,
          ...(filter === undefined ? {} : { subject: filter }),
        });
  return {
    lagEvents,
    lagSeconds: oldest === undefined ? 0 : Math.max(0, (now - oldest.time.getTime()) / 1_000),
    redeliveries: info.num_redelivered,
  };
}

/** Several durables of one worker: the sum of events, and the age of the oldest. */
export function combinedLag(lags: readonly DurableLag[]): DurableLag {
  return {
    lagEvents: lags.reduce((sum, lag) => sum + lag.lagEvents, 0),
    lagSeconds: Math.max(0, ...lags.map((lag) => lag.lagSeconds)),
    redeliveries: lags.reduce((sum, lag) => sum + lag.redeliveries, 0),
  };
}
