import { defineConfig } from 'vitest/config';
import config from './vitest.config.ts';

/** What takes minutes: crashes, zombies, scale and floods on real processes, and long dialogues with commands. */
export default defineConfig({
  ...config,
  test: { ...config.test, include: ['test/{chaos,long}/**/*.test.ts'] },
});
