import { loadConfig } from '@memfleet/fleet';
import { DEFAULT_CONFIG } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { embeddingSettings } from '../../../../workers/cli/src/bench/recall/bench-recall.ts';

const VARIABLES = {
  MEMFLEET_STAGES_EMBEDDING_PROVIDER_KIND: 'openai-compatible',
  MEMFLEET_STAGES_EMBEDDING_PROVIDER_BASE_URL: 'http://127.0.0.1:1/v1',
  MEMFLEET_STAGES_EMBEDDING_PROVIDER_MODEL: '1e5',
  MEMFLEET_STAGES_EMBEDDING_PROVIDER_API_KEY: '0123',
  MEMFLEET_STAGES_EMBEDDING_PROVIDER_DIMENSIONS: '8',
  MEMFLEET_STAGES_EMBEDDING_PROVIDER_MAX_BATCH: '7',
  MEMFLEET_STAGES_EMBEDDING_PROVIDER_INPUT_PER_MILLION_USD: '0.02',
  MEMFLEET_STAGES_EMBEDDING_PROVIDER_HEADERS: '{ x-team: memory }',
};

test('the throw-away fleet has the configured provider, with every field', () => {
  const configured = loadConfig({ defaults: DEFAULT_CONFIG, env: VARIABLES });
  const thrownAway = loadConfig({ defaults: DEFAULT_CONFIG, env: embeddingSettings(configured) });
  expect(thrownAway.stages.embedding.provider).toEqual(configured.stages.embedding.provider);
  expect(thrownAway.stages.embedding.provider).toMatchObject({ model: '1e5', apiKey: '0123' });
});

test('a local provider is no model', () => {
  const configured = loadConfig({ defaults: DEFAULT_CONFIG, env: {} });
  expect(() => embeddingSettings(configured)).toThrow('--model needs an embedding model');
});
