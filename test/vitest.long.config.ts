import { defineConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** What takes minutes: crashes, zombies, scale and floods on real processes, and long dialogues with commands. */
export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ['test/{chaos,long}/**/*.test.ts'],
    // As in the other suites, limits are for hangs. These start dozens of processes, and run on machines
    // that have something else to do.
    testTimeout: 600_000,
    env: { MEMFLEET_TEST_PATIENCE: '4' },
  },
});
