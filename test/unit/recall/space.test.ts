import { createEmbedder } from '@memfleet/recall';
import { expect, test } from 'vitest';

const settings = {
  kind: 'openai-compatible',
  baseUrl: 'http://127.0.0.1:1/v1',
  model: 'some-model',
  dimensions: 8,
  inputPerMillionUsd: 0,
  maxBatch: 64,
} as const;
const spaceOf = (changes: { model?: string; dimensions?: number; baseUrl?: string }): string =>
  createEmbedder({ ...settings, ...changes }).space;

test('model and dimensions make a space; the address of the service does not', () => {
  const spaces = [
    spaceOf({}),
    spaceOf({ model: 'other-model' }),
    spaceOf({ dimensions: 16 }),
    createEmbedder({ kind: 'local' }).space,
  ];
  expect(new Set(spaces).size).toBe(spaces.length);
  expect(spaceOf({ baseUrl: 'http://127.0.0.1:2/v1' })).toBe(spaces[0]);
});

test('models whose readable names agree have different spaces', () => {
  expect(spaceOf({ model: 'a/b' })).not.toBe(spaceOf({ model: 'a-b' }));
  const long = 'm'.repeat(100);
  expect(spaceOf({ model: `${long}1` })).not.toBe(spaceOf({ model: `${long}2` }));
});

test('the name is short and plain for any name of a model', () => {
  for (const model of ['m'.repeat(300), 'vendor/Model:latest@sha', 'модель', '\u0000', ' ']) {
    expect(spaceOf({ model, dimensions: 65_536 })).toMatch(/^[a-z0-9.-]{1,64}$/);
  }
});
