import { expect, test } from 'vitest';
import { allAborted, Interest } from '../../../workers/embedding/src/interest.ts';

test('a caller that leaves does not end the work for the others', async () => {
  const interest = new Interest();
  const work = Promise.withResolvers<string>();
  const first = new AbortController();
  const second = new AbortController();
  const a = interest.share(work.promise, first.signal);
  const b = interest.share(work.promise, second.signal);
  first.abort(new Error('lost'));
  await expect(a).rejects.toThrow('lost');
  expect(interest.signal.aborted).toBe(false);
  work.resolve('done');
  await expect(b).resolves.toBe('done');
});

test('the last caller that leaves ends it', async () => {
  const interest = new Interest();
  const work = Promise.withResolvers<string>();
  const controllers = [new AbortController(), new AbortController()];
  const waiting = controllers.map(({ signal }) => interest.share(work.promise, signal));
  for (const controller of controllers) controller.abort(new Error('over'));
  for (const one of waiting) await expect(one).rejects.toThrow('over');
  expect(interest.signal.aborted).toBe(true);
});

test('a caller that has left before does not wait', async () => {
  const interest = new Interest();
  const endless = Promise.withResolvers<string>();
  const signal = AbortSignal.abort(new Error('before'));
  await expect(interest.share(endless.promise, signal)).rejects.toThrow('before');
});

test('a call ends only when all its events have ended', () => {
  const controllers = [new AbortController(), new AbortController()];
  const signal = allAborted(controllers.map((controller) => controller.signal));
  controllers[0]?.abort();
  expect(signal.aborted).toBe(false);
  controllers[1]?.abort(new Error('last'));
  expect(signal.aborted).toBe(true);
  expect(signal.reason).toMatchObject({ message: 'last' });
  expect(allAborted([AbortSignal.abort()]).aborted).toBe(true);
});
