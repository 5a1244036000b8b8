import { type Envelope, registry } from '@memfleet/events';
import { readLog } from '../support/log-stream.ts';
import type { StageFleet } from './stage-fleet.ts';
import type { Call, End, History, Row } from './storm-history.ts';

/** The traces of a storm in the log, the durable and the tables. */
export async function historyOf(
  fleet: StageFleet,
  seen: {
    readonly events: readonly Envelope[];
    readonly calls: readonly Call[];
    readonly ends: readonly End[];
  },
): Promise<History> {
  const { broker, config, database, durable } = fleet;
  const { rows } = await database.pool.query<Row>(
    `select event_id as "eventId", state, attempts, abandoned, published_at is not null as "isPublished",
       coalesce(extract(epoch from recorded_at) * 1000, 'NaN')::float8 as "recordedAt"
     from memfleet.stage_work`,
  );
  const { rows: queued } = await database.pool.query('select from memfleet.tenant_queue');
  const { deadLetters } = await fleet.effects();
  const info = await broker.jsm.consumers.info(config.log.stream, durable);
  return {
    ...seen,
    events: seen.events.map(({ id, data }) => ({
      id,
      content: (data as { readonly content: string }).content,
    })),
    rows,
    derived: (await derivedOf(fleet)).map(({ id, causationid }) => ({ id, cause: causationid })),
    deadLetters,
    left: info.num_pending + info.num_ack_pending + queued.length,
    redeliveries: info.delivered.consumer_seq - seen.events.length,
  };
}

async function derivedOf({ broker, config }: StageFleet): Promise<Envelope[]> {
  const stored = await readLog(broker.connection, config.log);
  return stored
    .filter(({ subject }) => subject.split('.').at(-2) === 'derived')
    .map(({ bytes }) => {
      const decoded = registry.decode(bytes);
      if (decoded.kind !== 'known') throw new Error(`the log has a bad event: ${decoded.kind}`);
      return decoded.envelope;
    });
}

/**
 * The results of a run, by key, without values that depend on its course: positions, times, durations,
 * and which of two equal contents was paid for.
 */
export async function tablesOf(fleet: StageFleet): Promise<Map<string, string>> {
  const { pool } = fleet.database;
  const { rows } = await pool.query<{ key: string; value: string }>(
    `select 'work ' || event_key as key, json_build_array(stage, stage_version, tenant, event_id,
       encode(payload_digest, 'hex'), state, attempts, result, reason, published_at is null)::text as value
       from memfleet.stage_work
     union all select 'vector ' || space || encode(content_sha256, 'hex'), dimensions || embedding::text
       from memfleet.vectors
     union all select 'result ' || encode(cache_key, 'hex'), stage || result from memfleet.result_cache`,
  );
  const tables = new Map(rows.map(({ key, value }) => [key, value]));
  for (const { id, time: _, data, ...rest } of await derivedOf(fleet)) {
    const {
      cause,
      usage: _u,
      cost_usd: _c,
      duration_ms: _d,
      cached: _h,
      ...said
    } = data as Record<string, unknown>;
    const { sequence: _s, ...of } = cause as Record<string, unknown>;
    tables.set(`derived ${id}`, JSON.stringify({ ...rest, of, said }));
  }
  return tables;
}

/** Keys whose values differ, or that only one has. */
export function differencesOf(
  one: ReadonlyMap<string, string>,
  other: ReadonlyMap<string, string>,
): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].filter(
    (key) => one.get(key) !== other.get(key),
  );
}
