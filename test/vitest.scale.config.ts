import { defineConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** Tests that need gigabytes and a quiet machine: a million memories, a million vectors. */
export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ['test/scale/**/*.test.ts'],
    testTimeout: 3_600_000,
    hookTimeout: 7_200_000,
    maxWorkers: 1,
  },
});
