import { randomUUID } from 'node:crypto';
import type { LogNames } from '@memfleet/events';
import { topologyOf } from '@memfleet/fleet';
import type { Broker } from '../fleet.ts';

/** A log like the configured one, under its own name; disposing deletes it. */
export interface ThrowAwayLog extends AsyncDisposable {
  readonly names: LogNames;
}

export async function createThrowAwayLog({ jsm, config }: Broker): Promise<ThrowAwayLog> {
  const suffix = randomUUID().slice(0, 8);
  const names = { stream: `BENCH_${suffix}`, root: `bench-${suffix}` };
  const topology = topologyOf({ ...config, log: { ...config.log, ...names } });
  const stream = topology.streams.find(({ name }) => name === names.stream);
  if (stream === undefined) throw new Error('the topology has no log');
  await jsm.streams.add(stream.config);
  return {
    names,
    async [Symbol.asyncDispose]() {
      await jsm.streams.delete(names.stream);
    },
  };
}
