import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: `${import.meta.dirname}/..`,
  test: {
    // Long ones have a command of their own: npm run test:long.
    include: ['test/{unit,integration,e2e}/**/*.test.ts'],
    globalSetup: ['test/support/servers.ts'],
    // Real servers on two cores: a time limit here is for hangs, never for speed.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Each file has its own streams and database; with three at a time both cores of a small machine
    // are busy while one of them waits.
    maxWorkers: 3,
    // A process of its own costs a file 1 s of both cores. Files share modules, and nothing else: servers,
    // streams and databases are a file's own, and no test changes what a module keeps.
    isolate: false,
    reporters: ['default'],
  },
});
