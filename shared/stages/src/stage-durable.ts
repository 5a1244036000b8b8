import type { StageConfig, WantedConsumer } from '@memfleet/runtime';
import { AckPolicy, DeliverPolicy, ReplayPolicy } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

/** A durable that a stage works on, event by event: on the log, or on its redriven dead letters. */
export function stageDurable(
  { ackWait, maxDeliver, maxAckPending }: StageConfig,
  {
    stream,
    name,
    description,
    filter,
  }: {
    readonly stream: string;
    readonly name: string;
    readonly description: string;
    readonly filter: string;
  },
): WantedConsumer {
  return {
    kind: 'consumer',
    stream,
    name,
    config: {
      durable_name: name,
      description,
      filter_subject: filter,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ackWait),
      max_deliver: maxDeliver,
      max_ack_pending: maxAckPending,
      deliver_policy: DeliverPolicy.All,
      replay_policy: ReplayPolicy.Instant,
    },
  };
}
