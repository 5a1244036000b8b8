import { messageAt } from '@memfleet/events';
import { expect, test } from 'vitest';
import { BrokenDelivery, feed } from '../../../workers/projection/src/engine/feed.ts';
import { Inbox } from '../../../workers/projection/src/engine/inbox.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { created, notesFleet } from '../../support/notes-fleet.ts';
import { appendAll } from '../../support/test-fleet.ts';

const broker = brokerOfFile();

const EVENTS = 40;
const { promise: never } = Promise.withResolvers<void>();

/** Positions that a lane reads from its checkpoint on, when its durable was reset to `resetTo`. */
async function readFrom(position: number, resetTo: number, lanes: '1' | '8'): Promise<number[]> {
  await using fleet = await notesFleet(broker, { 'projections.lanes': lanes });
  const { stream } = fleet.config.log;
  const all = Array.from({ length: EVENTS }, (_, index) => created(`m-${index}`, 'said'));
  await appendAll(broker, fleet.config, all);
  const durable = 'projection-notes-1-0';
  const { config } = await broker.jsm.consumers.info(stream, durable);
  const filter = config.filter_subject ?? '>';
  await broker.jsm.consumers.reset(stream, durable, resetTo);
  const inbox = new Inbox(EVENTS);
  const stop = new AbortController();
  const reading = feed({
    connection: broker.connection,
    consumer: await broker.jetstream.consumers.get(stream, durable),
    inbox,
    position,
    nextInLog: async (seq) =>
      (await messageAt(broker.jsm, stream, { seq, next_by_subj: filter }))?.seq,
    batch: EVENTS,
    signal: stop.signal,
    onTrouble: (error) => inbox.end(error as Error),
  });
  try {
    await inbox.filled(1, never);
    return (inbox.take(EVENTS) ?? []).map(({ seq }) => seq);
  } finally {
    stop.abort();
    inbox.end();
    await reading;
  }
}

test.each(['1', '8'] as const)(
  'a late reset of an earlier owner reads over nothing, %s lanes',
  async (lanes) => {
    await expect(readFrom(3, 30, lanes)).rejects.toBeInstanceOf(BrokenDelivery);
    // Correct, although the lane's next event may be far beyond its checkpoint.
    const [first = 0] = await readFrom(3, 4, lanes);
    expect(first).toBeGreaterThan(3);
  },
);
