import type { Queryable } from './connection.ts';

/**
 * A lease that is held: an owner who took it later has a higher epoch. It begins when its row is locked;
 * the time at which the statement began (`now()`) is older by the wait for that lock.
 */
export interface Lease {
  readonly name: string;
  readonly owner: string;
  readonly epoch: bigint;
}

/**
 * Takes the lease if it is free, has run out, or is ours already. The epoch rises with every change
 * of hands, by the database's clock: clocks of workers do not matter.
 * @returns undefined while another owner holds it.
 */
export async function acquireLease(
  db: Queryable,
  name: string,
  owner: string,
  leaseMs: number,
): Promise<Lease | undefined> {
  const { rows } = await db.query<{ epoch: string }>({
    name: 'lease-acquire',
    text: `insert into memfleet.leases as held (name, owner, epoch, lease_until)
      values ($1, $2, 1, now() + $3 * interval '1 millisecond')
      on conflict (name) do update
        set owner = excluded.owner, epoch = held.epoch + 1,
          lease_until = clock_timestamp() + $3 * interval '1 millisecond'
        where held.lease_until < now() or held.owner = excluded.owner
      returning epoch`,
    values: [name, owner, leaseMs],
  });
  const [row] = rows;
  return row === undefined ? undefined : { name, owner, epoch: BigInt(row.epoch) };
}

/** Whether nobody holds it, or ever held it. */
export async function isLeaseFree(db: Queryable, name: string): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'lease-held',
    text: 'select from memfleet.leases where name = $1 and lease_until >= now()',
    values: [name],
  });
  return rowCount === 0;
}

/** Names of the leases that others hold now. */
export async function heldByOthers(db: Queryable, owner: string): Promise<Set<string>> {
  const { rows } = await db.query<{ name: string }>({
    name: 'leases-of-others',
    text: 'select name from memfleet.leases where owner <> $1 and lease_until >= now()',
    values: [owner],
  });
  return new Set(rows.map(({ name }) => name));
}

/** @returns false when the lease was lost; nothing may be written under it any more. */
export async function renewLease(db: Queryable, lease: Lease, leaseMs: number): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'lease-renew',
    text: `with locked as materialized (
        select name from memfleet.leases where name = $1 and owner = $2 and epoch = $3
        for no key update
      )
      update memfleet.leases set lease_until = clock_timestamp() + $4 * interval '1 millisecond'
      from locked where leases.name = locked.name and owner = $2 and epoch = $3`,
    values: [lease.name, lease.owner, lease.epoch.toString(), leaseMs],
  });
  return rowCount === 1;
}

/** Lets others take over at once; the epoch stays, so that it never repeats. */
export async function releaseLease(db: Queryable, lease: Lease): Promise<void> {
  await db.query({
    name: 'lease-release',
    text: `update memfleet.leases set lease_until = '-infinity'
      where name = $1 and owner = $2 and epoch = $3`,
    values: [lease.name, lease.owner, lease.epoch.toString()],
  });
}
