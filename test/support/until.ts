import { setTimeout as delay } from 'node:timers/promises';

/** How much longer than usual the limits for hangs are: the long suites run beside other work. */
export const PATIENCE = Number(process.env['MEMFLEET_TEST_PATIENCE'] ?? 1);

/**
 * Waits until the condition holds and returns its value. Tests wait for conditions, not for time: the limit
 * is for hangs.
 * @throws when it does not hold in time, with the condition's last value
 */
export async function until<Value>(
  what: string,
  condition: () => Promise<Value | undefined | false> | Value | undefined | false,
  limitMs = 30_000,
): Promise<Value> {
  const deadline = performance.now() + limitMs * PATIENCE;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) {
      throw new Error(`${what}: not so after ${limitMs * PATIENCE} ms`);
    }
    await delay(20);
  }
}
