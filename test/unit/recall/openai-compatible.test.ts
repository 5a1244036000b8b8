import { ProviderError } from '@memfleet/models';
import { createEmbedder } from '@memfleet/recall';
import { describe, expect, test } from 'vitest';
import {
  type ModelCall,
  type ModelService,
  replies,
  type Reply,
  startModelService,
  vectorOf,
} from '../../support/model-service.ts';
import { until } from '../../support/until.ts';

const TEXTS = ['one', 'two', 'three'];
const { signal } = new AbortController();

function embedderOf(service: ModelService) {
  return createEmbedder({
    kind: 'openai-compatible',
    baseUrl: service.url,
    model: 'test-model',
    apiKey: 'test-key',
    headers: { 'x-team': 'memory' },
    dimensions: 8,
    inputPerMillionUsd: 2,
    maxBatch: 64,
  });
}

/** A correct answer with a changed list. */
const changed =
  (change: (data: { index?: number; embedding: unknown }[]) => unknown[]) =>
  (call: ModelCall): Reply => {
    const reply = replies.vectors(call);
    if (reply.kind !== 'answer') return reply;
    const body = JSON.parse(reply.body) as { data: { index?: number; embedding: unknown }[] };
    return { ...reply, body: JSON.stringify({ ...body, data: change(body.data) }) };
  };

async function errorOf(work: Promise<unknown>): Promise<ProviderError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ProviderError)) throw new Error('no provider error', { cause: error });
  return error;
}

test('one request, vectors of length 1 in the order of the texts, tokens and cost', async () => {
  await using service = await startModelService();
  const { vectors, usage, costUsd } = await embedderOf(service).embed(TEXTS, signal);
  expect(vectors).toEqual(TEXTS.map((text) => Float32Array.from(vectorOf(text, 8))));
  expect(usage).toEqual({ calls: 1, input_tokens: 15, output_tokens: 0 });
  expect(costUsd).toBeCloseTo(30e-6, 12);
  expect(service.calls).toHaveLength(1);
  const [call] = service.calls;
  expect(call?.body).toMatchObject({ model: 'test-model', input: TEXTS, encoding_format: 'float' });
  expect(call?.headers).toMatchObject({ authorization: 'Bearer test-key', 'x-team': 'memory' });
});

test('an answer in another order is sorted by its indexes', async () => {
  await using service = await startModelService();
  service.respond((call) => replies.vectors(call, 'order'));
  const { vectors } = await embedderOf(service).embed(TEXTS, signal);
  expect(vectors).toEqual(TEXTS.map((text) => Float32Array.from(vectorOf(text, 8))));
});

test('an answer without indexes is taken in order', async () => {
  await using service = await startModelService();
  service.respond(changed((data) => data.map(({ embedding }) => ({ embedding }))));
  const { vectors } = await embedderOf(service).embed(TEXTS, signal);
  expect(vectors[2]).toEqual(Float32Array.from(vectorOf('three', 8)));
});

test('vectors of any length are normalised to length 1', async () => {
  await using service = await startModelService();
  service.respond(
    changed(() => [
      { index: 0, embedding: [3, 4, 0, 0, 0, 0, 0, 0] },
      { index: 1, embedding: [1e300, 0, 0, 0, 0, 0, 0, 1e300] },
      { index: 2, embedding: [0, 5e-324, 0, 0, 0, 0, 0, 0] },
    ]),
  );
  const { vectors } = await embedderOf(service).embed(TEXTS, signal);
  expect(vectors[0]?.slice(0, 2)).toEqual(Float32Array.of(0.6, 0.8));
  for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
});

describe('an answer that does not fit is invalid_output', () => {
  const faults: readonly (readonly [string, (call: ModelCall) => Reply])[] = [
    ['too few vectors', (call) => replies.vectors(call, 'count')],
    ['too many vectors', changed((data) => [...data, { ...data[0], embedding: [1], index: 3 }])],
    ['a wrong length', (call) => replies.vectors(call, 'length')],
    ['NaN', (call) => replies.vectors(call, 'nan')],
    ['null for a number', changed((data) => data.map((item) => ({ ...item, embedding: [null] })))],
    ['all zeros', (call) => replies.vectors(call, 'zeros')],
    ['an index twice', changed((data) => data.map((item) => ({ ...item, index: 0 })))],
    ['an index too many', changed((data) => data.map((item, n) => ({ ...item, index: n + 1 })))],
    [
      'some indexes',
      changed((data) =>
        data.map(({ embedding }, n) => (n ? { embedding } : { embedding, index: 0 })),
      ),
    ],
    ['base64 text', changed((data) => data.map((item) => ({ ...item, embedding: 'AAAA' })))],
    ['another shape', () => ({ kind: 'answer', status: 200, body: '{"ok":true}' })],
  ];
  test.each(faults)('%s', async (_, fault) => {
    await using service = await startModelService();
    service.respond(fault);
    const error = await errorOf(embedderOf(service).embed(TEXTS, signal));
    expect(error.errorClass).toBe('invalid_output');
    expect(service.calls).toHaveLength(1);
  });
});

describe('other faults keep their class, and nothing is repeated here', () => {
  const faults: readonly (readonly [string, Reply, string])[] = [
    ['503', replies.status(503), 'transient'],
    ['reset', replies.reset(), 'transient'],
    ['HTML', replies.html(200), 'transient'],
    ['429', replies.rateLimited({ 'retry-after': '7' }), 'rate_limited'],
    ['401', replies.unauthorized(), 'auth'],
    ['402', replies.paymentRequired(), 'quota'],
    ['a text that is too long', replies.contextTooLong(), 'invalid_input'],
  ];
  test.each(faults)('%s', async (_, fault, errorClass) => {
    await using service = await startModelService();
    service.respond(fault);
    const error = await errorOf(embedderOf(service).embed(TEXTS, signal));
    expect(error.errorClass).toBe(errorClass);
    expect(service.calls).toHaveLength(1);
  });

  test('the wait of a rate limit is passed on', async () => {
    await using service = await startModelService();
    service.respond(replies.rateLimited({ 'retry-after': '7' }));
    const error = await errorOf(embedderOf(service).embed(TEXTS, signal));
    expect(error.retryAfterMs).toBe(7_000);
  });
});

test('an abort ends a hanging call', async () => {
  await using service = await startModelService();
  service.respond(replies.hang());
  const abort = new AbortController();
  const call = embedderOf(service).embed(TEXTS, abort.signal);
  await until('the call arrived', () => service.calls.length === 1);
  abort.abort(new Error('enough'));
  await expect(call).rejects.toThrow('enough');
  await until('the connection is closed', () => service.calls[0]?.abandoned);
});
