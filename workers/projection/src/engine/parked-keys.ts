import type { BoundStatement, LaneId } from '@memfleet/projections';
import { bigintArray, type Queryable, textArray } from '@memfleet/runtime';

/** An event that is set aside instead of applied. */
export interface ParkedEvent {
  readonly tenant: string;
  readonly memory: string;
  readonly sequence: number;
  readonly reason: string;
}

/** The event that could not be applied. */
export interface Culprit {
  readonly sequence: number;
  readonly reason: string;
}

/**
 * The memories that wait. From the event that could not be applied, every event of that memory is set
 * aside in order, so that a redrive finds them in the order of the log.
 */
export class ParkedKeys {
  readonly #keys = new Map<string, Culprit>();
  #version = 0;

  /** Rises when batches made earlier no longer know which events to park. */
  get version(): number {
    return this.#version;
  }

  /** Notes a culprit; when a memory has several, the first in the log counts. */
  add(tenant: string, memory: string, culprit: Culprit): void {
    const id = idOf(tenant, memory);
    const before = this.#keys.get(id);
    if (before !== undefined && before.sequence <= culprit.sequence) return;
    this.#keys.set(id, culprit);
  }

  /** As `add`, for a culprit that only its transaction revealed. */
  addLate(tenant: string, memory: string, culprit: Culprit): void {
    this.add(tenant, memory, culprit);
    this.#version += 1;
  }

  /** Records how far a redrive got: to the end (no culprit), or up to another culprit. */
  redriven(tenant: string, memory: string, culprit: Culprit | undefined): void {
    const id = idOf(tenant, memory);
    if (culprit === undefined) this.#keys.delete(id);
    else this.#keys.set(id, culprit);
    this.#version += 1;
  }

  /** Why this event is to be set aside; undefined when it is not. */
  reasonFor(tenant: string, memory: string, sequence: number): string | undefined {
    if (this.#keys.size === 0) return undefined;
    const culprit = this.#keys.get(idOf(tenant, memory));
    if (culprit === undefined || sequence < culprit.sequence) return undefined;
    return sequence === culprit.sequence ? culprit.reason : `waits for ${culprit.sequence}`;
  }
}

function idOf(tenant: string, memory: string): string {
  return `${tenant} ${memory}`;
}

/** Everything parked in a generation, by any of its lanes. */
export async function loadParkedKeys(
  db: Queryable,
  { projection, generation }: LaneId,
): Promise<ParkedKeys> {
  const { rows } = await db.query<{
    tenant: string;
    memory: string;
    sequence: string;
    reason: string;
  }>({
    name: 'parked-keys',
    text: `select distinct on (tenant, memory) tenant, memory, sequence, reason
      from memfleet.parked_events where projection = $1 and generation = $2
      order by tenant, memory, sequence`,
    values: [projection, generation],
  });
  const keys = new ParkedKeys();
  for (const { tenant, memory, sequence, reason } of rows) {
    keys.add(tenant, memory, { sequence: Number(sequence), reason });
  }
  return keys;
}

/** Sets events aside; no statement when there are none. */
export function parkingStatement(id: LaneId, events: readonly ParkedEvent[]): BoundStatement[] {
  if (events.length === 0) return [];
  const text = `insert into memfleet.parked_events
      (projection, generation, lane, tenant, memory, sequence, reason)
    select $1, $2::int, $3::int, * from unnest($4::text[], $5::text[], $6::bigint[], $7::text[])
    on conflict do nothing`;
  return [
    {
      name: 'park-events',
      text,
      values: [
        id.projection,
        id.generation,
        id.lane,
        textArray(events.map(({ tenant }) => tenant)),
        textArray(events.map(({ memory }) => memory)),
        bigintArray(events.map(({ sequence }) => sequence)),
        textArray(events.map(({ reason }) => storableReason(reason))),
      ],
    },
  ];
}

/** A reason is a sentence; a handler's message may be anything. */
const MAX_REASON = 1_000;

/**
 * As PostgreSQL takes it: a message may quote what is in an event, U+0000 and half characters included.
 * A reason that is refused would keep its event from being set aside for ever.
 */
export function storableReason(reason: string): string {
  return reason.slice(0, MAX_REASON).replaceAll('\u0000', '\ufffd').toWellFormed();
}
