import { headers } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { brokerOfFile } from '../../support/broker.ts';
import { contents, created, notesFleet } from '../../support/notes-fleet.ts';
import { appendAll, subjectOf } from '../../support/test-fleet.ts';
import { unreadableHeaders } from '../../support/unreadable-headers.ts';

const broker = brokerOfFile();

test.each([
  ['cannot be read', unreadableHeaders()],
  ['have a status line', headers(500, 'Internal Error')],
  ['say that there is no message', headers(404, 'Message Not Found')],
])('a lane restarts at an event whose headers %s', async (_, strange) => {
  await using fleet = await notesFleet(broker);
  const { config } = fleet;
  const event = created('a', 'one');
  await broker.jetstream.publish(subjectOf(config, event), JSON.stringify(event), {
    headers: strange,
  });
  const first = fleet.start();
  await fleet.applied(1);
  await first.stop();
  // The lane checks the event at its checkpoint before it reads anything.
  await appendAll(broker, config, [created('b', 'two')]);
  fleet.start();
  await fleet.applied(2);
  expect(await contents(fleet)).toEqual({ a: 'one', b: 'two' });
});
