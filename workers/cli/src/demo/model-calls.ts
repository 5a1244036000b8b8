import { registry } from '@memfleet/events';
import { readStored } from '@memfleet/runtime';
import type { Broker } from '../fleet.ts';

/**
 * Counts results that came from a model, by the derived events in the log. Each event that needed a call
 * counts once, even if several shared a round trip; results taken from equal content do not count.
 */
export async function countModelCalls({ connection, config }: Broker): Promise<number> {
  const { stream, root } = config.log;
  const asked = new Set<string>();
  const derived = { from: 1, subject: `${root}.*.*.*.derived.*` };
  for await (const { data } of readStored(connection, stream, derived)) {
    const decoded = registry.decode(data);
    if (decoded.kind !== 'known') continue;
    const { event } = decoded;
    const isResult = event.type === 'memory.extracted' || event.type === 'memory.embedded';
    if (isResult && !event.data.cached) asked.add(event.id);
  }
  return asked.size;
}
