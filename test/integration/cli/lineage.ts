import { type Envelope, eventKey } from '@memfleet/events';
import { readLog } from '../../support/log-stream.ts';
import type { CliFleet } from './run-cli.ts';

/** Writes what the lineage projection would write for the whole log. */
export async function projectLineage({ broker, config, database }: CliFleet): Promise<void> {
  for (const { sequence, bytes } of await readLog(broker.connection, config.log)) {
    const event = JSON.parse(Buffer.from(bytes).toString()) as Envelope;
    await database.pool.query(
      `insert into lineage_1.lineage (event_key, event_id, tenant, memory, source, type, time,
        correlation_id, causation_id, sequence) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        eventKey(event),
        event.id,
        event.tenantid,
        event.subject,
        event.source,
        event.type,
        event.time,
        event.correlationid,
        event.causationid,
        sequence,
      ],
    );
  }
}
