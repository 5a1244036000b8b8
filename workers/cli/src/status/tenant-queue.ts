import { firstStored } from '@memfleet/runtime';
import type { Fleet } from '../fleet.ts';
import type { DurableLag } from './durables.ts';

/** Events that wait for their tenant's turn or budget: delivered by the durable, but not finished. */
export async function tenantQueueLag(
  { config, jsm, pool }: Fleet,
  stage: string,
  now: number,
): Promise<DurableLag> {
  const { rows } = await pool.query<{ events: number; first: string | null }>({
    name: 'tenant-queue-lag',
    text: `select count(*)::float8 as events, min(sequence) as first
      from memfleet.tenant_queue where stage = $1`,
    values: [stage],
  });
  const { events = 0, first = null } = rows[0] ?? {};
  const oldest =
    first === null ? undefined : await firstStored(jsm, config.log.stream, { from: Number(first) });
  return {
    lagEvents: events,
    lagSeconds: oldest === undefined ? 0 : Math.max(0, (now - oldest.time.getTime()) / 1_000),
    redeliveries: 0,
  };
}
