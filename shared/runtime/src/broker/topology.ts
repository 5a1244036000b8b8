import { publishPattern, storedTemplate } from '@memfleet/events';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  StoreCompression,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { FleetConfig, StageName } from '../config/schema.ts';
import { redriveConsumer, redriveStream } from '../dead-letters/redrive-queue.ts';
import type { WantedConsumer, WantedStream } from './wanted.ts';

export type { WantedConsumer, WantedStream } from './wanted.ts';

export interface Topology {
  readonly streams: readonly WantedStream[];
  readonly consumers: readonly WantedConsumer[];
}

/** Everything `memfleet provision` creates on the broker. `laneConsumers` come from the projections. */
export function topologyOf(
  config: FleetConfig,
  laneConsumers: readonly WantedConsumer[] = [],
): Topology {
  const stages = Object.keys(config.stages) as StageName[];
  return {
    streams: [
      logStream(config),
      deadLetterStream(config),
      redriveStream(config),
      advisoryStream(config),
    ],
    consumers: [
      ...stages.flatMap((stage) => stageConsumers(config, stage)),
      ...stages.map((stage) => redriveConsumer(config, stage)),
      ...laneConsumers,
    ],
  };
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
      // Never `old`: a limit may refuse a new event, it may not drop one that was acknowledged.
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

function deadLetterStream(config: FleetConfig): WantedStream {
  const { deadLetters, log } = config;
  return {
    kind: 'stream',
    name: deadLetters.stream,
    config: {
      name: deadLetters.stream,
      description: 'Events a stage gave up on, with their original bytes',
      // dead.<stage>.<tenant>.<memory>
      subjects: [`${deadLetters.root}.*.*.*`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      max_age: 0,
      max_msgs: -1,
      max_bytes: -1,
      num_replicas: log.replicas,
      duplicate_window: nanos(deadLetters.duplicateWindow),
      allow_direct: true,
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

function stageConsumers(config: FleetConfig, name: StageName): WantedConsumer[] {
  const stage = config.stages[name];
  return Object.values(stage.inputs).map(({ durable, filter }) => ({
    kind: 'consumer',
    stream: config.log.stream,
    name: durable,
    config: {
      durable_name: durable,
      description: `Stage ${name}`,
      filter_subject: `${config.log.root}.*.*.*.${filter}`,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(stage.ackWait),
      max_deliver: stage.maxDeliver,
      max_ack_pending: stage.maxAckPending,
      deliver_policy: DeliverPolicy.All,
      replay_policy: ReplayPolicy.Instant,
    },
  }));
}

/** The events of one partition, and no others. */
export function partitionFilter(root: string, partition: number): string {
  return `${root}.${partition}.>`;
}

/** A durable for one lane of a projection: AckAll, since the checkpoint row is the truth. */
export function laneConsumer(
  config: FleetConfig,
  lane: {
    readonly durable: string;
    readonly partition: number | undefined;
    readonly description: string;
  },
): WantedConsumer {
  return {
    kind: 'consumer',
    stream: config.log.stream,
    name: lane.durable,
    config: {
      durable_name: lane.durable,
      description: lane.description,
      ...(lane.partition === undefined
        ? {}
        : { filter_subject: partitionFilter(config.log.root, lane.partition) }),
      ack_policy: AckPolicy.All,
      // The lane resets its durable to the checkpoint when it takes over; until then a long wait
      // spares redeliveries while one transaction is slow.
      ack_wait: nanos(60_000),
      max_deliver: -1,
      max_ack_pending: 100_000,
      deliver_policy: DeliverPolicy.All,
      replay_policy: ReplayPolicy.Instant,
    },
  };
}
