import { type LaneId, leaseOf } from '@memfleet/projections';
import type { Pool } from '@memfleet/runtime';
import { until } from '../support/until.ts';

/**
 * Makes the database itself record every change of a checkpoint and of a lease's owner, in the same
 * transaction: nothing that was rolled back is recorded, and no regression can hide between two samples.
 * Sequences are not rolled back, and so count failed tries.
 */
const RECORDER_SQL = `
create schema history;
create table history.moves (
  id         bigint generated always as identity primary key,
  projection text not null,
  generation int not null,
  lane       int not null,
  writer     text not null,
  transaction text not null,
  old_epoch  bigint not null,
  epoch      bigint not null,
  old_position bigint not null,
  position   bigint not null
);
create table history.owners (
  lease text not null,
  epoch bigint not null,
  owner text not null
);
create sequence history.attempts;
create sequence history.refusals;

create function history.move() returns trigger language plpgsql as $$
begin
  insert into history.moves (projection, generation, lane, writer, transaction, old_epoch, epoch,
      old_position, position)
    values (new.projection, new.generation, new.lane, current_setting('application_name'),
      pg_current_xact_id()::xid::text, old.epoch, new.epoch, old.position, new.position);
  return null;
end $$;
create trigger moves after update on memfleet.checkpoints
  for each row execute function history.move();

create function history.attempt() returns trigger language plpgsql as $$
begin
  perform nextval('history.attempts');
  if not exists (select from changed) then perform nextval('history.refusals'); end if;
  return null;
end $$;
create trigger attempts after update on memfleet.checkpoints
  referencing new table as changed for each statement execute function history.attempt();

-- While a worker's gate is closed, none of its batches passes, as with a slow network: none has
-- locked its lane yet, so that others can take the lane over meanwhile.
create function history.gate() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext(current_setting('application_name')));
  return null;
end $$;
create trigger gate before update on memfleet.checkpoints
  for each statement execute function history.gate();

-- A checkpoint that may not be moved is refused before any row is updated: no trigger sees it.
alter function memfleet.move_checkpoint(text, int, int, bigint, bigint, bigint, text, bytea, timestamptz)
  rename to unwatched_move;
create function memfleet.move_checkpoint(
  text, int, int, bigint, bigint, bigint, text, bytea, timestamptz
) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext(current_setting('application_name')));
  begin
    perform memfleet.unwatched_move($1, $2, $3, $4, $5, $6, $7, $8, $9);
  exception when sqlstate 'MF001' then
    perform nextval('history.attempts'), nextval('history.refusals');
    raise;
  end;
end $$;

create function history.own() returns trigger language plpgsql as $$
begin
  insert into history.owners (lease, epoch, owner) values (new.name, new.epoch, new.owner);
  return null;
end $$;
create trigger owners_new after insert on memfleet.leases
  for each row execute function history.own();
create trigger owners_next after update on memfleet.leases
  for each row when (new.epoch is distinct from old.epoch) execute function history.own();
`;

interface Move {
  readonly writer: string;
  /** The transaction's id, as `xmin` of the rows it wrote. */
  readonly transaction: string;
  readonly old_epoch: string;
  readonly epoch: string;
  readonly old_position: string;
  readonly position: string;
}

interface MoveRow extends Move {
  readonly projection: string;
  readonly generation: number;
  readonly lane: number;
}

export interface LaneHistory {
  readonly id: LaneId;
  readonly moves: readonly Move[];
  /** The process that got the lease at an epoch. */
  readonly owners: ReadonlyMap<string, string>;
}

export interface History {
  readonly lanes: readonly LaneHistory[];
  /** Statements that would move a checkpoint. */
  readonly attempts: number;
  /** Those that met another epoch: a zombie's. */
  readonly refusals: number;
}

export async function recordHistory(pool: Pool): Promise<void> {
  await pool.query(RECORDER_SQL);
}

export async function readHistory(pool: Pool): Promise<History> {
  const { rows } = await pool.query<MoveRow>('select * from history.moves order by id');
  const owners = await pool.query<{ lease: string; epoch: string; owner: string }>(
    'select * from history.owners',
  );
  const byLane = Map.groupBy(rows, (row) => leaseOf(row));
  const lanes = [...byLane].map(([lease, moves]) => ({
    id: moves[0] as LaneId,
    moves,
    owners: new Map(
      owners.rows
        .filter((each) => each.lease === lease)
        .map(({ epoch, owner }) => [epoch, owner] as const),
    ),
  }));
  return {
    lanes,
    attempts: await counted(pool, 'attempts'),
    refusals: await counted(pool, 'refusals'),
  };
}

export interface Gate extends AsyncDisposable {
  /** Waits until a statement of the worker waits at it, or none will come. */
  isReached(orElse: () => Promise<boolean>): Promise<void>;
}

/** Holds back a worker's writes to its lanes until it is disposed. */
export async function closeGate(pool: Pool, { name }: { readonly name: string }): Promise<Gate> {
  const client = await pool.connect();
  await client.query('select pg_advisory_lock(hashtext($1))', [name]);
  return {
    async isReached(orElse) {
      await until('a statement waits at the gate', async () => {
        const { rows } = await pool.query(
          `select from pg_stat_activity where application_name = $1 and wait_event = 'advisory'`,
          [name],
        );
        return rows.length > 0 || (await orElse());
      });
    },
    async [Symbol.asyncDispose]() {
      await client.query('select pg_advisory_unlock(hashtext($1))', [name]);
      client.release();
    },
  };
}

async function counted(pool: Pool, sequence: 'attempts' | 'refusals'): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(
    `select case when is_called then last_value else 0 end as count from history.${sequence}`,
  );
  return Number(rows[0]?.count);
}

/**
 * Problems in the moves of a lane; empty when its checkpoint only rose, each transaction began where the
 * previous one had ended, and under each epoch only the owner of the lease wrote.
 */
export function flawsOf(
  { id, moves, owners }: LaneHistory,
  pids: ReadonlyMap<string, number>,
): string[] {
  const flaws: string[] = [];
  const lane = leaseOf(id);
  const writers = new Map<string, string>();
  let [position, epoch] = [0, 0n];
  for (const move of moves) {
    const where = `${lane}, ${move.writer}, ${move.old_position} → ${move.position}, epoch ${move.epoch}`;
    if (Number(move.old_position) !== position) flaws.push(`${where}: not on from ${position}`);
    if (Number(move.position) < position) flaws.push(`${where}: it went back`);
    if (BigInt(move.old_epoch) !== epoch) flaws.push(`${where}: not on from epoch ${epoch}`);
    if (BigInt(move.epoch) < epoch) flaws.push(`${where}: the epoch went back`);
    position = Number(move.position);
    epoch = BigInt(move.epoch);
    const writer = writers.get(move.epoch) ?? move.writer;
    writers.set(move.epoch, writer);
    if (writer !== move.writer) flaws.push(`${where}: ${writer} wrote under that epoch before`);
    const owner = owners.get(move.epoch) ?? 'nobody';
    if (!owner.includes(`-${pids.get(move.writer)}-`)) {
      flaws.push(`${where}: the lease was given to ${owner}`);
    }
  }
  return flaws;
}

/** How often a lane passed from one process to another. */
export function takeovers({ moves }: LaneHistory): number {
  return moves.filter(({ writer }, index) => index > 0 && moves[index - 1]?.writer !== writer)
    .length;
}

/** The transaction that moved a lane over a position; positions are asked for in rising order. */
export function transactionsOf({ moves }: LaneHistory): (position: number) => string | undefined {
  const steps = moves.filter((move) => move.position !== move.old_position);
  let next = 0;
  return (position) => {
    while (next < steps.length && Number(steps[next]?.position) < position) next += 1;
    const step = steps[next];
    return step !== undefined && Number(step.old_position) < position
      ? step.transaction
      : undefined;
  };
}
