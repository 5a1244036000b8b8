import { publishPattern, storedTemplate } from '@memfleet/events';
import {
  type ConsumerConfig,
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  StoreCompression,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { FleetConfig } from '../config/schema.ts';

/** The wanted state of a stream or consumer: only fields that matter to us are named and compared. */
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

export interface Topology {
  readonly streams: readonly WantedStream[];
  readonly consumers: readonly WantedConsumer[];
}

/** The log, and the stream of the server's advisories about it. Its readers add their durables. */
export function logTopology(config: FleetConfig): Topology {
  return { streams: [logStream(config), advisoryStream(config)], consumers: [] };
}

export function logStream(config: FleetConfig): WantedStream {
  const { log } = config;
  return {
    kind: 'stream',
    name: log.stream,
    config: {
      name: log.stream,
      description: 'The log of memory events: append-only, ordered per memory',
      subjects: [publishPattern(log.root)],
      subject_transform: {
        src: publishPattern(log.root),
        dest: storedTemplate(log.root, log.partitions),
      },
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      // Never `old`: a limit may refuse a new event, but must not drop an acknowledged one.
      discard: DiscardPolicy.New,
      max_age: 0,
      max_msgs: log.maxMessages ?? -1,
      max_bytes: log.maxBytes ?? -1,
      max_msgs_per_subject: -1,
      num_replicas: log.replicas,
      duplicate_window: nanos(log.duplicateWindow),
      compression: log.compression === 's2' ? StoreCompression.S2 : StoreCompression.None,
      deny_delete: true,
      deny_purge: true,
      allow_direct: true,
      allow_atomic: true,
    },
  };
}

function advisoryStream(config: FleetConfig): WantedStream {
  const { advisories, log } = config;
  const advisory = '$JS.EVENT.ADVISORY.CONSUMER';
  return {
    kind: 'stream',
    name: advisories.stream,
    config: {
      name: advisories.stream,
      description: 'What the server says of messages it stopped delivering',
      subjects: [
        `${advisory}.MAX_DELIVERIES.${log.stream}.*`,
        `${advisory}.MSG_TERMINATED.${log.stream}.*`,
      ],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      max_age: nanos(advisories.maxAge),
      num_replicas: log.replicas,
      allow_direct: true,
    },
  };
}

/** The events of one partition, and no others. */
export function partitionFilter(root: string, partition: number): string {
  return `${root}.${partition}.>`;
}
