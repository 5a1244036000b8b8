import { extractedEntity, extractedFact, MAX_ENTITIES, MAX_FACTS } from '@memfleet/events';
import { ProviderError } from '@memfleet/models';
import { describe, expect, test } from 'vitest';
import { readAnswer } from '../../../workers/extraction/src/providers/model/answer.ts';

const fact = {
  text: 'Ada prefers tea.',
  subject: 'Ada',
  predicate: 'prefers',
  object: 'tea',
  confidence: 0.9,
};
const answer = (facts: unknown, entities: unknown = [], rest: object = {}): string =>
  JSON.stringify({ facts, entities, ...rest });

test('a correct answer is kept unchanged', () => {
  const entity = { name: 'Ada', type: 'person', mentions: 2 };
  expect(readAnswer(answer([fact], [entity]))).toEqual({ facts: [fact], entities: [entity] });
});

test('an answer in a code fence or after an introduction is found', () => {
  expect(readAnswer(`Here you are:\n\`\`\`json\n${answer([fact])}\n\`\`\``).facts).toEqual([fact]);
});

test('nothing found has a reason, the model’s own or ours', () => {
  expect(readAnswer(answer([], [], { empty_reason: 'small talk' })).emptyReason).toBe('small talk');
  expect(readAnswer(answer([], [], { empty_reason: null })).emptyReason).toBe('no statement found');
  expect(readAnswer(answer([])).emptyReason).toBe('no statement found');
});

describe('single items are repaired or dropped', () => {
  test.each<[string, unknown, number]>([
    ['a percentage', 85, 0.85],
    ['text', '0.4', 0.4],
    ['below', -3, 0],
    ['far above', 1e9, 1],
    ['nothing', null, 0.5],
    ['a word', 'high', 0.5],
  ])('confidence: %s', (_what, confidence, expected) => {
    expect(readAnswer(answer([{ ...fact, confidence }])).facts[0]?.confidence).toBe(expected);
  });

  test.each([
    ['PERSON', 'person'],
    ['org', 'organization'],
    ['GPE', 'place'],
    ['money', 'quantity'],
    ['spaceship', 'other'],
    [7, 'other'],
  ])('type %s is %s', (type, expected) => {
    const { entities } = readAnswer(answer([], [{ name: 'X', type, mentions: 1 }]));
    expect(entities).toEqual([{ name: 'X', type: expected, mentions: 1 }]);
  });

  test('items that are no facts are dropped, the rest stays', () => {
    const bad = [null, 7, 'text', [], {}, { ...fact, subject: '' }, { ...fact, text: null }];
    expect(readAnswer(answer([...bad, fact])).facts).toEqual([fact]);
  });

  test('equal facts and entities are one', () => {
    const entities = [
      { name: 'Ada', type: 'person', mentions: 2 },
      { name: 'ada', type: 'per', mentions: '3' },
    ];
    const read = readAnswer(answer([fact, { ...fact, confidence: 0.1 }], entities));
    expect(read.facts).toEqual([fact]);
    expect(read.entities).toEqual([{ name: 'Ada', type: 'person', mentions: 5 }]);
  });

  test('control characters, overrides and halves of pairs do not get through', () => {
    const text = 'a\u0000b\u202ec\nd\ud800';
    const [read] = readAnswer(answer([{ ...fact, text }])).facts;
    expect(read?.text).toBe('a b c d\ufffd');
  });

  test('too long and too many are cut', () => {
    const facts = Array.from({ length: 500 }, (_none, n) => ({
      text: `${n} ${'😀'.repeat(2_000)}`,
      subject: 's'.repeat(5_000),
      predicate: 'p'.repeat(5_000),
      object: 'o'.repeat(5_000),
      confidence: 1,
    }));
    const entities = Array.from({ length: 500 }, (_none, n) => ({
      name: `${n}${'x'.repeat(5_000)}`,
      type: 'topic',
      mentions: 1e12,
    }));
    const read = readAnswer(answer(facts, entities));
    expect(read.facts).toHaveLength(MAX_FACTS);
    expect(read.entities).toHaveLength(MAX_ENTITIES);
    for (const item of read.facts) extractedFact.parse(item);
    for (const item of read.entities) extractedEntity.parse(item);
  });
});

test.each<[string, string]>([
  ['no text', ''],
  ['prose', 'I am sorry, I cannot do that.'],
  ['half of a JSON text', answer([fact]).slice(0, 40)],
  ['another type', '"facts"'],
  ['a list', `[${JSON.stringify(fact)}]`],
  ['null', 'null'],
  ['other fields', '{"summary":"x"}'],
  ['fields of other types', '{"facts":"none","entities":7}'],
  ['only unusable items', answer([{}, null], ['x'])],
])('%s is invalid output', (_what, text) => {
  const read = (): unknown => readAnswer(text);
  expect(read).toThrow(ProviderError);
  expect(read).toThrow(expect.objectContaining({ errorClass: 'invalid_output' }));
});
