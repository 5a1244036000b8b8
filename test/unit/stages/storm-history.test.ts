import { expect, test } from 'vitest';
import { type History, problemsOf } from '../../chaos/storm-history.ts';

// Tests the checker of the storms on made-up histories: a correct one, and one for each way in which a
// history can be wrong.

const AT = 1_000_000;

/** Two events; the worker that called for the second was killed before it could record the result. */
const RIGHT: History = {
  events: [
    { id: 'a', content: 'note number 1' },
    { id: 'b', content: 'note number 2' },
  ],
  rows: [row('a', AT + 50), row('b', AT + 5_000)],
  derived: [
    { id: 'of-a', cause: 'a' },
    { id: 'of-b', cause: 'b' },
  ],
  calls: [
    { process: 'one', contents: ['note number 1', 'note number 2'], at: AT },
    { process: 'two', contents: ['note number 2'], at: AT + 4_900 },
  ],
  ends: [{ process: 'one', how: 'after-record', at: AT + 100 }],
  deadLetters: 0,
  left: 0,
  redeliveries: 1,
};

function row(eventId: string, recordedAt: number): History['rows'][number] {
  return { eventId, state: 'done', attempts: 0, abandoned: 0, isPublished: true, recordedAt };
}

test('a history with one effect per event, and a second call after a kill, is right', () => {
  expect(problemsOf(RIGHT)).toEqual([]);
});

test.each<[string, Partial<History>, RegExp]>([
  ['an effect that is missing', { derived: RIGHT.derived.slice(0, 1) }, /^no effect of b$/],
  [
    'an effect that is doubled under another id',
    { derived: [...RIGHT.derived, { id: 'again', cause: 'a' }] },
    /^more than one effect of a$/,
  ],
  [
    'an id that is twice in the log',
    { derived: [...RIGHT.derived, { id: 'of-a', cause: 'a' }] },
    /the same id more than once in the log: of-a/,
  ],
  [
    'an effect of nothing',
    { derived: [...RIGHT.derived, { id: 'of-c', cause: 'c' }] },
    /^an effect of nothing that was published: c$/,
  ],
  ['an event that nobody claimed', { rows: RIGHT.rows.slice(0, 1) }, /^no row for b$/],
  [
    'two rows of one event',
    { rows: [...RIGHT.rows, row('a', AT + 60)] },
    /^more than one row for a$/,
  ],
  [
    'an event that is not finished',
    { rows: [row('a', AT + 50), { ...row('b', AT + 5_000), state: 'claimed' }] },
    /^not done and published: b$/,
  ],
  [
    'a result that is not known to be published',
    { rows: [row('a', AT + 50), { ...row('b', AT + 5_000), isPublished: false }] },
    /^not done and published: b$/,
  ],
  [
    'a try that was counted although nothing failed',
    { rows: [row('a', AT + 50), { ...row('b', AT + 5_000), attempts: 1 }] },
    /^a try was counted against b$/,
  ],
  [
    'a call again although its worker had recorded the result before it was killed',
    { calls: [...RIGHT.calls, { process: 'two', contents: ['note number 1'], at: AT + 5_000 }] },
    /^2 calls for note number 1 \(by one, two\) where 1 may be$/,
  ],
  [
    'a call again by a worker that nothing had happened to',
    { calls: [...RIGHT.calls, { process: 'two', contents: ['note number 2'], at: AT + 4_950 }] },
    /^3 calls for note number 2 \(by one, two, two\) where 2 may be$/,
  ],
  [
    'a call again where nobody was killed',
    { ends: [] },
    /^2 calls for note number 2 \(by one, two\) where 1 may be$/,
  ],
  [
    'a call for what was never published',
    { calls: [...RIGHT.calls, { process: 'two', contents: ['note number 7'], at: AT }] },
    /^called for nothing that was published: note number 7$/,
  ],
  ['an event that is parked', { deadLetters: 1 }, /^1 events are parked$/],
  ['a message that is left', { left: 2 }, /^2 messages are left$/],
])('%s is reported', (_, planted, problem) => {
  expect(problemsOf({ ...RIGHT, ...planted })).toContainEqual(expect.stringMatching(problem));
});

test('a run without any event is no proof', () => {
  expect(problemsOf({ ...RIGHT, events: [], rows: [], derived: [], calls: [], ends: [] })).toEqual([
    'there was nothing to do',
  ]);
});
