import { type MemoryEvent, registry } from '@memfleet/events';
import { ProviderError, type ProviderErrorClass } from '@memfleet/models';
import { Waits } from '@memfleet/runtime';
import { type Outcome, skip, type Stage } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { AbortSource } from '../../../shared/runtime/src/async/abort-source.ts';
import { contextOf } from '../../../shared/stages/src/pipeline/event-context.ts';
import { perform } from '../../../shared/stages/src/pipeline/handle.ts';
import { DeadlineExceeded, LeaseLost } from '../../../shared/stages/src/pipeline/heartbeat.ts';
import { memoryCreated } from '../../support/events.ts';
import { coded } from '../../support/failing-pool.ts';

function known(): MemoryEvent {
  const decoded = registry.upcast(memoryCreated('a note'));
  if (decoded.kind !== 'known') throw new Error('the test event is not valid');
  return decoded.event;
}

async function outcomeOf(
  handle: Stage['handle'],
  options: { attempt?: number; abort?: AbortSource; isToBlame?: (error: unknown) => boolean } = {},
): Promise<Outcome | undefined> {
  const { attempt = 1, abort = new AbortSource(), isToBlame } = options;
  const stage = { name: 'test', version: 1, handle };
  const event = known();
  const about = { eventKey: 'k', sequence: 1, attempt };
  const context = contextOf(stage, event, { abort, waits: new Waits() }, about);
  return await perform(stage, event, context, {
    abort,
    maxAttempts: 3,
    ...(isToBlame === undefined ? {} : { isToBlame }),
  });
}

function throwing(error: Error): Stage['handle'] {
  return async () => {
    throw error;
  };
}

test('the return value of the handler is the outcome', async () => {
  expect(await outcomeOf(async () => skip('nothing'))).toEqual(skip('nothing'));
});

test.each([
  ['transient', { kind: 'retry', countsAsAttempt: false }],
  ['rate_limited', { kind: 'retry', countsAsAttempt: false, afterMs: 7_000 }],
  ['quota', { kind: 'retry', countsAsAttempt: false }],
  ['auth', { kind: 'retry', countsAsAttempt: false }],
  ['invalid_input', { kind: 'park', reason: 'invalid_input' }],
  ['invalid_output', { kind: 'retry', countsAsAttempt: true }],
] as const)('a %s error of the provider', async (errorClass: ProviderErrorClass, expected) => {
  const error = new ProviderError(errorClass, 'no', { retryAfterMs: 7_000 });
  expect(await outcomeOf(throwing(error))).toMatchObject(expected);
});

test('outages never exhaust the attempts, bad answers and bugs do', async () => {
  const last = { attempt: 3 };
  const outage = throwing(new ProviderError('transient', 'down'));
  expect(await outcomeOf(outage, last)).toMatchObject({ kind: 'retry', countsAsAttempt: false });
  const badAnswer = throwing(new ProviderError('invalid_output', 'no JSON'));
  expect(await outcomeOf(badAnswer, last)).toMatchObject({
    kind: 'park',
    reason: 'invalid_output',
  });
  const bug = throwing(new TypeError('undefined is not a function'));
  expect(await outcomeOf(bug, last)).toMatchObject({ kind: 'park', reason: 'attempts_exhausted' });
  expect(await outcomeOf(bug)).toMatchObject({ kind: 'retry', countsAsAttempt: true });
});

test.each(['57P01', '25P03', '58030'])(
  'trouble with the database (%s) is not the fault of the event',
  async (code) => {
    const error = Object.assign(new Error('not now'), { code });
    expect(await outcomeOf(throwing(error), { attempt: 3 })).toMatchObject({
      kind: 'retry',
      countsAsAttempt: false,
    });
  },
);

test.each(['42501', '26000', 'XX000'])(
  'when a database complains about itself (%s), the stage asks whether the event is to blame',
  async (code) => {
    const handle = throwing(coded(code));
    expect(await outcomeOf(handle, { attempt: 3, isToBlame: () => false })).toMatchObject({
      kind: 'retry',
      countsAsAttempt: false,
    });
    const parked = { kind: 'park', reason: 'attempts_exhausted' };
    expect(await outcomeOf(handle, { attempt: 3, isToBlame: () => true })).toMatchObject(parked);
  },
);

test('an event given up before its handler began is not handled, and uses no attempt', async () => {
  const handle = async (): Promise<never> => {
    throw new Error('must not be called');
  };
  const abortedBy = async (reason: Error): Promise<Outcome | undefined> => {
    const abort = new AbortSource();
    abort.abort(reason);
    return await outcomeOf(handle, { attempt: 3, abort });
  };
  const given = { kind: 'retry', afterMs: 0, countsAsAttempt: false };
  expect(await abortedBy(new DeadlineExceeded())).toMatchObject(given);
  expect(await abortedBy(new Error('shutting down'))).toMatchObject(given);
  expect(await abortedBy(new LeaseLost())).toBeUndefined();
});

test('tries beyond the limit are not made', async () => {
  const handle = async (): Promise<never> => {
    throw new Error('must not be called');
  };
  expect(await outcomeOf(handle, { attempt: 4 })).toMatchObject({
    kind: 'park',
    reason: 'attempts_exhausted',
    message: '3 tries did not succeed',
  });
});

test('a handler that ignores its signal is left behind', async () => {
  const hanging = (): Promise<never> => new Promise(() => {});
  const afterAbort = async (reason: Error): Promise<Outcome | undefined> => {
    const abort = new AbortSource();
    const outcome = outcomeOf(hanging, { abort });
    abort.abort(reason);
    return await outcome;
  };
  expect(await afterAbort(new DeadlineExceeded())).toMatchObject({
    kind: 'retry',
    cause: 'deadline exceeded',
    countsAsAttempt: true,
  });
  expect(await afterAbort(new LeaseLost())).toBeUndefined();
  expect(await afterAbort(new Error('shutting down'))).toMatchObject({
    kind: 'retry',
    afterMs: 0,
    countsAsAttempt: false,
  });
});

test('waits double from a second up to a minute', async () => {
  const error = throwing(new ProviderError('transient', 'down'));
  const waits = await Promise.all(
    [1, 2, 3].map(async (attempt) => {
      const outcome = await outcomeOf(error, { attempt });
      return outcome?.kind === 'retry' ? outcome.afterMs : undefined;
    }),
  );
  expect(waits).toEqual([1_000, 2_000, 4_000]);
});
