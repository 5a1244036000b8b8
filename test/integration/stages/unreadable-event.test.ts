import { expect, test } from 'vitest';
import { memoryCreated } from '../../support/events.ts';
import { createStageBench } from '../../support/stage.ts';
import { notes, storesNothing, storing } from '../../support/storing-stage.ts';
import { unreadableHeaders } from '../../support/unreadable-headers.ts';

/*
 * An event that no version can read is parked, and blocks no other.
 */

/** Names of headers that the client cannot parse. */
const MALFORMED = ['bad key', 'üx'];

test.each(MALFORMED)(
  'an event with a header named %j is parked, and blocks no other',
  async (name) => {
    await using bench = await createStageBench();
    const { jetstream, jsm } = bench.broker;
    const { root } = bench.config.log;
    const subject = `${root}.acme.note.content.created`;
    const headers = unreadableHeaders(name);
    await jetstream.publish(subject, 'no event', { headers });
    // For an event that can be read, the headers do not matter.
    await jetstream.publish(subject, JSON.stringify(memoryCreated('readable')), { headers });
    await bench.publish(...notes(3));
    const stage = storing(storesNothing);
    const running = bench.start(stage);
    await bench.settled();
    expect([stage.calls.length, await bench.derived(), await bench.deadLetters()]).toEqual([
      4, 4, 1,
    ]);
    const { stream } = bench.config.deadLetters;
    const letter = await jsm.streams.getMessage(stream, { seq: 1 });
    expect(letter?.string()).toBe('no event');
    expect(letter?.header.get('Memfleet-Sequence')).toBe('1');
    expect(running.progress.state.state).not.toBe('paused');
  },
);
