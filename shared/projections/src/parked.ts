import type { Queryable } from '@memfleet/runtime';

/** A memory whose events wait in a generation. */
export interface ParkedKey {
  readonly projection: string;
  readonly generation: number;
  readonly lane: number;
  readonly tenant: string;
  readonly memory: string;
  /** Position of the event that could not be applied. */
  readonly sequence: number;
  readonly reason: string;
  /** How many events wait, including that one. */
  readonly events: number;
  readonly parkedAt: Date;
}

export interface ParkedFilter {
  readonly projection?: string | undefined;
  readonly tenant?: string | undefined;
  readonly memory?: string | undefined;
}

/** Every parked memory, in the order of the log. */
export async function readParkedKeys(db: Queryable, filter: ParkedFilter): Promise<ParkedKey[]> {
  const { rows } = await db.query<Omit<ParkedKey, 'sequence'> & { sequence: string }>({
    name: 'parked-keys-list',
    text: `select projection, generation, min(lane) as lane, tenant, memory,
        min(sequence) as sequence, (array_agg(reason order by sequence))[1] as reason,
        count(*)::int as events, min(parked_at) as "parkedAt"
      from memfleet.parked_events
      join memfleet.projection_generations using (projection, generation)
      where state <> 'retired' and ($1::text is null or projection = $1)
        and ($2::text is null or tenant = $2) and ($3::text is null or memory = $3)
      group by projection, generation, tenant, memory
      order by projection, generation, min(sequence)`,
    values: [filter.projection, filter.tenant, filter.memory],
  });
  return rows.map(({ sequence, ...row }) => Object.assign(row, { sequence: Number(sequence) }));
}

/** Asks the lanes to try these memories again, with their current code. */
export async function requestRedrives(db: Queryable, keys: readonly ParkedKey[]): Promise<void> {
  await db.query(
    `delete from memfleet.parked_redrives where finished_at < now() - interval '1 day'`,
  );
  await db.query(
    `insert into memfleet.parked_redrives (projection, generation, lane, tenant, memory)
      select * from unnest($1::text[], $2::int[], $3::int[], $4::text[], $5::text[])
      on conflict (projection, generation, tenant, memory) do update set
        lane = excluded.lane, requested_at = now(), finished_at = null, applied = null,
        reason = null`,
    [
      keys.map(({ projection }) => projection),
      keys.map(({ generation }) => generation),
      keys.map(({ lane }) => lane),
      keys.map(({ tenant }) => tenant),
      keys.map(({ memory }) => memory),
    ],
  );
}

export interface Redriven {
  readonly projection: string;
  readonly generation: number;
  readonly tenant: string;
  readonly memory: string;
  readonly applied: number;
  /** Why events of it are still parked; null when none is. */
  readonly reason: string | null;
}

/** The outcome of the last request for each of these memories, where it is finished. */
export async function readRedriven(db: Queryable, keys: readonly ParkedKey[]): Promise<Redriven[]> {
  const { rows } = await db.query<Redriven>({
    name: 'redriven',
    text: `select projection, generation, tenant, memory, applied, reason
      from memfleet.parked_redrives
      join unnest($1::text[], $2::int[], $3::text[], $4::text[])
        as asked (projection, generation, tenant, memory)
        using (projection, generation, tenant, memory)
      where finished_at is not null`,
    values: [
      keys.map(({ projection }) => projection),
      keys.map(({ generation }) => generation),
      keys.map(({ tenant }) => tenant),
      keys.map(({ memory }) => memory),
    ],
  });
  return rows;
}
