import type { FleetConfig, WantedConsumer, WantedStream } from '@memfleet/runtime';
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { stageSettings } from '../definition.ts';
import { stageDurable } from '../stage-durable.ts';

/**
 * The way back for dead letters. The log must not get an event twice, and its durables are past it: a
 * redriven event reaches its stage through a work queue beside the log, with the original bytes and the
 * position in the log, and the stage takes it for the original. The names are those of the dead letters
 * with a suffix: renaming one renames both.
 */
export function redriveStreamName({ deadLetters }: FleetConfig): string {
  return `${deadLetters.stream}_REDRIVE`;
}

export function redriveSubject(
  { deadLetters }: FleetConfig,
  stage: string,
  memory: { readonly tenant: string; readonly memory: string } = { tenant: '*', memory: '*' },
): string {
  return `${deadLetters.root}-redrive.${stage}.${memory.tenant}.${memory.memory}`;
}

/** Not the name of a durable of the log: acks are confirmed per durable, by its name. */
export function redriveDurable(stage: string): string {
  return `${stage}-redrive`;
}

export function redriveStream(config: FleetConfig): WantedStream {
  const { deadLetters, log } = config;
  const name = redriveStreamName(config);
  return {
    kind: 'stream',
    name,
    config: {
      name,
      description: 'Dead letters that are given another try',
      subjects: [redriveSubject(config, '*')],
      // Settled events leave the queue: each either took effect, or is a dead letter again.
      retention: RetentionPolicy.Workqueue,
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

export function redriveConsumer(config: FleetConfig, name: string): WantedConsumer {
  return stageDurable(stageSettings(config, name), {
    stream: redriveStreamName(config),
    name: redriveDurable(name),
    description: `Redriven events of stage ${name}`,
    filter: redriveSubject(config, name),
  });
}
