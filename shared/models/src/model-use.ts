/** The largest values that an event can carry (`modelUse` of the events). */
const MOST_USD = 1e9;
const MOST_MS = 1e12;

/**
 * Whether a value can be added to others. One NaN or Infinity would make every sum the same, and a budget
 * that is no number has room for nobody.
 */
export function isAmount(value: unknown, most: number = Number.MAX_VALUE): boolean {
  return typeof value === 'number' && value >= 0 && value <= most;
}

/**
 * Says why the use of a model that a handler reports cannot be counted; undefined when it can. The compiler
 * does not always check third-party code, and NaN is a number to it.
 */
export function faultOfUse(use: unknown): string | undefined {
  if (!isRecord(use) || !isRecord(use['usage'])) return 'use has no usage';
  for (const name of ['calls', 'input_tokens', 'output_tokens']) {
    const count = use['usage'][name];
    if (isAmount(count) && Number.isSafeInteger(count)) continue;
    return `usage.${name} is ${said(count)}, not a whole number of 0 or more`;
  }
  for (const [name, most] of [
    ['cost_usd', MOST_USD],
    ['duration_ms', MOST_MS],
  ] as const) {
    const amount = use[name];
    if (isAmount(amount, most)) continue;
    return `${name} is ${said(amount)}, not a number from 0 to ${most}`;
  }
  return undefined;
}

/** A text could be anything; a number is no secret. */
function said(value: unknown): string {
  return typeof value === 'number' ? String(value) : `a value of type ${typeof value}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
