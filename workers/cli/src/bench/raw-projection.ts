import { laneConsumerOf } from '@memfleet/projections';
import { transaction } from '@memfleet/runtime';
import { type Run, timed } from './measure.ts';
import type { ThrowAwayFleet } from './throw-away-fleet.ts';

const BATCH = 1_000;

interface CreatedEvent {
  readonly tenantid: string;
  readonly subject: string;
  readonly time: string;
  readonly data: { readonly content: string };
}

/** Target tables; both have the columns and the key of the real one. */
export type RawTable = 'with_search' | 'without_search';

/**
 * A hand-written loop: fetch, JSON.parse, one unnest upsert and a checkpoint per 1,000 events, AckAll.
 * It has no validation, no fencing, no order between revisions, no parking.
 */
export async function rawProjection(
  fleet: ThrowAwayFleet,
  table: RawTable,
  count: number,
): Promise<Run> {
  const { jsm, config, pool } = fleet;
  const { stream } = config.log;
  const durable = `raw-${table}`;
  const wanted = laneConsumerOf(config, { projection: 'raw', generation: 1, lane: 0 }, 1);
  await jsm.consumers.add(stream, { ...wanted.config, durable_name: durable });
  await createTable(fleet, table);
  const consumer = await jsm.jetstream().consumers.get(stream, durable);
  return await timed(count, async () => {
    for (let done = 0; done < count;) {
      const messages = await consumer.fetch({ max_messages: BATCH, expires: 1_000 });
      const events: CreatedEvent[] = [];
      let last: { ack(): void; readonly seq: number } | undefined;
      for await (const message of messages) {
        events.push(message.json<CreatedEvent>());
        last = message;
      }
      if (last === undefined) continue;
      const position = last.seq;
      await transaction(pool, async (client) => {
        await client.query({
          name: `raw-${table}`,
          text: UPSERT[table],
          values: [
            events.map(({ tenantid }) => tenantid),
            events.map(({ subject }) => subject),
            events.map(({ data }) => data.content),
            events.map(({ time }) => time),
            position,
          ],
        });
        await client.query({ name: 'raw-checkpoint', text: CHECKPOINT, values: [position] });
      });
      last.ack();
      done += events.length;
    }
  });
}

async function createTable({ pool }: ThrowAwayFleet, table: RawTable): Promise<void> {
  await pool.query(CREATE[table]);
  await pool.query(
    `create table if not exists raw.checkpoint (id int primary key, position bigint);
    insert into raw.checkpoint values (1, 0) on conflict do nothing`,
  );
}

const CHECKPOINT = 'update raw.checkpoint set position = $1 where id = 1';

const CREATE = {
  with_search: `create schema if not exists raw;
    create table raw.with_search (like memories_1.memories including defaults,
      primary key (tenant, memory));
    create index on raw.with_search using gin (to_tsvector('english', content))`,
  without_search: `create schema if not exists raw;
    create table raw.without_search (like memories_1.memories including defaults,
      primary key (tenant, memory))`,
} as const;

const COLUMNS = `(tenant, memory, content, created_at, kind, importance, content_seq, kind_seq,
    importance_seq, origin_seq)
  select tenant, memory, content, time::timestamptz, 'note', 0.5, $5, $5, $5, $5
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as given (tenant, memory, content, time)
  on conflict (tenant, memory) do update set content = excluded.content, kind = excluded.kind,
    importance = excluded.importance, created_at = excluded.created_at,
    content_seq = excluded.content_seq, kind_seq = excluded.kind_seq,
    importance_seq = excluded.importance_seq, origin_seq = excluded.origin_seq`;

const UPSERT = {
  with_search: `insert into raw.with_search ${COLUMNS}`,
  without_search: `insert into raw.without_search ${COLUMNS}`,
} as const;
