import { messageAt } from '@memfleet/events';
import {
  type FleetConfig,
  type JetStreamManager,
  type Queryable,
  readStored,
  RuntimeError,
} from '@memfleet/runtime';
import type { Broker } from '../fleet.ts';
import { type StoredEvent, storedEvent } from './stored-event.ts';

interface Sources {
  readonly db: Queryable;
  readonly connection: Broker['connection'];
  readonly jsm: JetStreamManager;
  readonly log: FleetConfig['log'];
}

/** An event's id, and its tenant when several use the same id. */
interface Wanted {
  readonly id: string;
  readonly tenant: string | undefined;
}

/**
 * Finds an event by its id: through the lineage projection, and by reading the part of the log that the
 * projection has not reached yet. Tenants choose their ids, so there may be several events; and the log
 * may hold copies.
 * @throws RuntimeError NOT_FOUND
 */
export async function findEvents(sources: Sources, wanted: Wanted): Promise<StoredEvent[]> {
  const known = await knownPositions(sources.db, wanted);
  const found = await Promise.all(known.map((position) => eventAt(sources, position)));
  const events = found.filter((event) => event !== undefined);
  if (events.length > 0) return events;
  const recent = await searchTail(sources, wanted);
  if (recent.length === 0) {
    throw new RuntimeError('NOT_FOUND', `the log has no event with the id ${wanted.id}`);
  }
  return recent;
}

async function knownPositions(db: Queryable, { id, tenant }: Wanted): Promise<number[]> {
  const { rows } = await db.query<{ sequence: string }>({
    name: 'events-position',
    text: `with found as (
        select event_key, sequence from memory.lineage
        where event_id = $1 and ($2::text is null or tenant = $2)
      )
      select sequence from found
      union
      select copies.sequence from found join memfleet.event_copies as copies using (event_key)
      order by sequence`,
    values: [id, tenant ?? null],
  });
  return rows.map((row) => Number(row.sequence));
}

async function eventAt({ jsm, log }: Sources, sequence: number): Promise<StoredEvent | undefined> {
  const message = await messageAt(jsm, log.stream, { seq: sequence });
  return message === null ? undefined : storedEvent(message, log.root);
}

async function searchTail(
  { db, connection, log }: Sources,
  { id, tenant }: Wanted,
): Promise<StoredEvent[]> {
  const { rows } = await db.query<{ position: string }>({
    name: 'events-lineage-position',
    text: `select coalesce(min(checkpoints.position), 0) as position
      from memfleet.checkpoints
      join memfleet.projection_generations as live using (projection, generation)
      where projection = 'lineage' and live.state = 'live'`,
  });
  const from = Number(rows[0]?.position ?? 0) + 1;
  const found: StoredEvent[] = [];
  for await (const message of readStored(connection, log.stream, { from })) {
    // A cheap test that never misses: an event with the id contains it.
    if (!Buffer.from(message.data).includes(id)) continue;
    const event = storedEvent(message, log.root);
    if (event.decoded.kind === 'invalid') continue;
    const { envelope } = event.decoded;
    if (envelope.id !== id || (tenant !== undefined && envelope.tenantid !== tenant)) continue;
    found.push(event);
  }
  return found;
}
