import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: `${import.meta.dirname}/..`,
  test: {
    // Long ones have a command of their own: npm run test:long.
    include: ['test/{unit,integration,e2e}/**/*.test.ts'],
    globalSetup: ['test/support/servers.ts'],
    // Real servers on two cores: time limits here are for hangs, never for speed.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Each file has its own streams and database; with three at a time both cores of a small machine
    // are busy while one of them waits.
    maxWorkers: 3,
    // A process per file costs 1 s of both cores. Files share modules, and nothing else: each file has its
    // own streams and databases, and no test changes the state of a module.
    isolate: false,
    reporters: ['default'],
  },
});
