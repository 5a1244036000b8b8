import { setTimeout as delay } from 'node:timers/promises';
import { CallLimit, ProviderError } from '@memfleet/models';
import { expect, test } from 'vitest';

const NEVER = new AbortController().signal;

/** A call that is never answered, and ends with its signal. */
async function hanging(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason as Error));
  return await promise;
}

test('an answer is passed on, and so is an error of a call', async () => {
  const limit = new CallLimit(10_000);
  expect(await limit.run(async () => 7, NEVER)).toBe(7);
  await expect(
    limit.run(async () => {
      throw new ProviderError('quota', 'used up');
    }, NEVER),
  ).rejects.toMatchObject({ errorClass: 'quota' });
});

test('without an answer in time it is an outage', async () => {
  const hung = new CallLimit(50).run(hanging, NEVER);
  await expect(hung).rejects.toMatchObject({ errorClass: 'transient' });
  await expect(hung).rejects.toThrow('no answer in 50 ms');
});

test('when later calls are answered, it is no outage', async () => {
  const limit = new CallLimit(200);
  const hung = limit.run(hanging, NEVER);
  await delay(10);
  await limit.run(async () => 'an answer', NEVER);
  await expect(hung).rejects.toThrow('no answer in 200 ms, while later calls were answered');
  await expect(hung).rejects.not.toBeInstanceOf(ProviderError);
  // An answer from before a call was made says nothing about that call.
  await expect(limit.run(hanging, NEVER)).rejects.toBeInstanceOf(ProviderError);
});

test('the last answers before an outage, and the first after it, put no blame on an input', async () => {
  const limit = new CallLimit(200);
  const earlier = Promise.withResolvers<string>();
  const answered = limit.run(async () => await earlier.promise, NEVER);
  await delay(5);
  const hung = limit.run(hanging, NEVER);
  await delay(5);
  earlier.resolve('the last answer');
  await answered;
  await expect(hung).rejects.toBeInstanceOf(ProviderError);

  const another = limit.run(hanging, NEVER);
  await delay(5);
  const down = limit.run(async () => {
    throw new ProviderError('transient', 'the service is down');
  }, NEVER);
  await expect(down).rejects.toThrow('the service is down');
  await limit.run(async () => 'it is back', NEVER);
  await expect(another).rejects.toBeInstanceOf(ProviderError);
});

test('time in which the process does not run is no wait for an answer', async () => {
  const limit = new CallLimit(200);
  const arrived = Promise.withResolvers<string>();
  const made = limit.run(
    async (signal) => await Promise.race([arrived.promise, hanging(signal)]),
    NEVER,
  );
  // The answer came meanwhile, and is read a little later.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  await delay(20);
  arrived.resolve('an answer');
  expect(await made).toBe('an answer');
});

test('an aborted caller gets the reason of its signal', async () => {
  const stop = new AbortController();
  const hung = new CallLimit(10_000).run(hanging, stop.signal);
  stop.abort(new Error('shutting down'));
  await expect(hung).rejects.toThrow('shutting down');
});
