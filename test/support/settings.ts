import { randomUUID } from 'node:crypto';
import { DEFAULT_CONFIG, type FleetConfig, loadConfig } from '@memfleet/runtime';

/**
 * The fleet's configuration under names that no other test shares: tests of one server run side by
 * side. `flags` are settings by path, such as `{ 'stages.extraction.ackWait': '1s' }`.
 */
export function testSettings(flags: Readonly<Record<string, string>> = {}): FleetConfig {
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
