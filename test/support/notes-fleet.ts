import { createEvent, type Envelope } from '@memfleet/events';
import { notes } from '../integration/projections/notes/projection.ts';
import type { BrokerClients } from './broker.ts';
import { testSettings } from './settings.ts';
import { createTestFleet, type TestFleet } from './test-fleet.ts';

/** The creation of a memory, with a content to note. */
export function created(memory: string, content: string): Envelope {
  return said('memory.created', memory, content);
}

export function revised(memory: string, content: string): Envelope {
  return said('memory.revised', memory, content);
}

function said(
  type: 'memory.created' | 'memory.revised',
  memory: string,
  content: string,
): Envelope {
  return createEvent({ tenant: 't', memory, type, source: '/test', data: { content } });
}

/** A fleet with the notes as its only projection. */
export async function notesFleet(
  broker: BrokerClients,
  flags: Readonly<Record<string, string>> = {},
): Promise<TestFleet> {
  const config = testSettings({ 'projections.lease': '1s', ...flags });
  return await createTestFleet(broker, config, [notes]);
}

/** The notes, by memory. */
export async function contents({ pool }: TestFleet): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ memory: string; content: string }>(
    'select memory, content from memory.notes order by memory',
  );
  return Object.fromEntries(rows.map(({ memory, content }) => [memory, content]));
}

/** Memory, position and reason of parked events. */
export async function parked({ pool }: TestFleet): Promise<[string, number, string][]> {
  const { rows } = await pool.query<{ memory: string; sequence: string; reason: string }>(
    'select memory, sequence, reason from memfleet.parked_events order by memory, sequence',
  );
  return rows.map(({ memory, sequence, reason }) => [memory, Number(sequence), reason]);
}
