import type { FleetConfig, Topology, WantedConsumer, WantedStream } from '@memfleet/runtime';
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { redriveConsumer, redriveStream } from './dead-letters/redrive-queue.ts';
import { stageSettings } from './definition.ts';
import { stageDurable } from './stage-durable.ts';

/** The durables by which the stages read the log, and the stream for events they give up on. */
export function stageTopology(config: FleetConfig): Topology {
  const stages = Object.keys(config.stages);
  return {
    streams: [deadLetterStream(config), redriveStream(config)],
    consumers: [
      ...stages.flatMap((stage) => stageConsumers(config, stage)),
      ...stages.map((stage) => redriveConsumer(config, stage)),
    ],
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

/** The durables of one stage, one for each of its inputs. */
export function stageConsumers(config: FleetConfig, name: string): WantedConsumer[] {
  const { stream, root } = config.log;
  const stage = stageSettings(config, name);
  return Object.values(stage.inputs).map(({ durable, filter }) =>
    stageDurable(stage, {
      stream,
      name: durable,
      description: `Stage ${name}`,
      filter: `${root}.*.*.*.${filter}`,
    }),
  );
}
