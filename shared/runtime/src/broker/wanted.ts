import type { ConsumerConfig, StreamConfig } from '@nats-io/jetstream';

/** A stream or a consumer as it should be: only what we care about is named and compared. */
export interface WantedStream {
  readonly kind: 'stream';
  readonly name: string;
  readonly config: Partial<StreamConfig> & { readonly name: string };
}

export interface WantedConsumer {
  readonly kind: 'consumer';
  readonly stream: string;
  readonly name: string;
  readonly config: Partial<ConsumerConfig> & { readonly durable_name: string };
}
