import { randomUUID } from 'node:crypto';
import { type BuiltInConfig, loadConfig, STAGES } from '@memfleet/fleet';
import { DEFAULT_CONFIG } from '@memfleet/runtime';
import { fleetSchema } from '../../shared/runtime/src/config/schema.ts';
import { settingsIn } from '../../shared/runtime/src/config/settings.ts';

/** Every setting of a fleet without modules. */
export const SETTINGS = settingsIn(
  fleetSchema(Object.fromEntries(STAGES.map(({ name, provider }) => [name, provider]))),
);

/**
 * The fleet's configuration under names that no other test shares: tests of one server run side by
 * side. `flags` are settings by path, such as `{ 'stages.extraction.ackWait': '1s' }`.
 */
export function testSettings(flags: Readonly<Record<string, string>> = {}): BuiltInConfig {
  return loadConfig({ defaults: DEFAULT_CONFIG, env: {}, flags: { ...uniqueNames(), ...flags } });
}

/** Names of the streams and subjects of one test, as settings. */
export function uniqueNames(): Record<string, string> {
  const suffix = randomUUID().slice(0, 8);
  return {
    'log.stream': `LOG_${suffix}`,
    'log.root': `log-${suffix}`,
    'deadLetters.stream': `DEAD_${suffix}`,
    'deadLetters.root': `dead-${suffix}`,
    'advisories.stream': `ADVISORIES_${suffix}`,
  };
}
