import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Window } from '../../../workers/cli/src/dead-letters/window.ts';

test('at most its size run at once, and all of them run', async () => {
  const window = new Window(3);
  let running = 0;
  let most = 0;
  let done = 0;
  for (let index = 0; index < 20; index += 1) {
    const began = await window.begin(async () => {
      running += 1;
      most = Math.max(most, running);
      await turn();
      running -= 1;
      done += 1;
    });
    expect(began).toBe(true);
  }
  await window.end();
  expect({ most, done, running }).toEqual({ most: 3, done: 20, running: 0 });
});

test('after a failure no more tasks start, running ones finish, and the first error is thrown', async () => {
  const window = new Window(2);
  const slow = Promise.withResolvers<void>();
  let isSlowDone = false;
  await window.begin(async () => {
    await slow.promise;
    isSlowDone = true;
    throw new Error('the second');
  });
  await window.begin(async () => {
    throw new Error('the first');
  });
  const began = await window.begin(async () => expect.unreachable('nothing more begins'));
  expect(began).toBe(false);
  const ended = window.end();
  slow.resolve();
  await expect(ended).rejects.toThrow('the first');
  expect(isSlowDone).toBe(true);
});
