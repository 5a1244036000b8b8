import { defineConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** Tests that take minutes: crashes, zombies, scale and floods on real processes, and long command sessions. */
export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ['test/{chaos,long}/**/*.test.ts'],
    // As in the other suites, limits are for hangs. These tests start dozens of processes, and run on
    // machines with other work.
    testTimeout: 600_000,
    env: { MEMFLEET_TEST_PATIENCE: '4' },
  },
});
