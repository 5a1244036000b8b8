import { registry } from '@memfleet/events';
import { readStored } from '@memfleet/runtime';
import type { Broker } from '../fleet.ts';

/**
 * Results that a model was asked for, as the derived events in the log say: each event that needed a
 * call counts once, however many of them shared a round trip, and what was taken from equal content
 * does not count.
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
