export type Headers = Readonly<Record<string, string>>;

/** Less would be a busy loop; more would mean that nobody checks for a day whether it works again. */
const SHORTEST_MS = 250;
const LONGEST_MS = 3_600_000;
/** Values above this are times in seconds since 1970, not durations. */
const EPOCH_SECONDS = 1_000_000_000;

/**
 * How long a service asks callers to wait, in ms: from `retry-after-ms`, from `Retry-After` in seconds or
 * as a date, or else from `x-ratelimit-reset-*`. Bounded; undefined when no header is readable.
 */
export function retryAfterOf(headers: Headers, now: number): number | undefined {
  const asked =
    millisecondsOf(headers['retry-after-ms']) ??
    waitOf(headers['retry-after'], now) ??
    resetOf(headers, now);
  return asked === undefined ? undefined : Math.min(LONGEST_MS, Math.max(SHORTEST_MS, asked));
}

function millisecondsOf(value: string | undefined): number | undefined {
  const number = numberOf(value);
  return number !== undefined && number >= 0 ? number : undefined;
}

/** `20`, `1.5`, `6m0s`, `20ms`, `1735689600`, an HTTP date or an ISO date. */
function waitOf(value: string | undefined, now: number): number | undefined {
  if (value === undefined || value.length > 64) return undefined;
  const number = numberOf(value);
  if (number !== undefined) {
    if (number < 0) return undefined;
    return number > EPOCH_SECONDS ? epochMs(number) - now : number * 1_000;
  }
  const span = spanOf(value.trim());
  if (span !== undefined) return span;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : date - now;
}

/** Some services count in milliseconds since 1970. */
function epochMs(number: number): number {
  return number > EPOCH_SECONDS * 1_000 ? number : number * 1_000;
}

function numberOf(value: string | undefined): number | undefined {
  if (value === undefined || !/^\s*-?\d{1,15}(?:\.\d{1,9})?\s*$/.test(value)) return undefined;
  return Number(value);
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A duration as Go prints it, which is how OpenAI writes its reset headers: `1h2m3.5s`. */
function spanOf(value: string): number | undefined {
  const parts = [...value.matchAll(/(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== value) return undefined;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0), 0);
}

/** Uses the limits that are used up; if no header says which, the one that lasts longest. */
function resetOf(headers: Headers, now: number): number | undefined {
  const limits = Object.keys(headers)
    .filter((name) => name.startsWith('x-ratelimit-reset'))
    .flatMap((name) => {
      const waitMs = waitOf(headers[name], now);
      const remaining = headers[name.replace('-reset', '-remaining')];
      return waitMs === undefined ? [] : [{ waitMs, isUsedUp: numberOf(remaining) === 0 }];
    });
  const usedUp = limits.filter(({ isUsedUp }) => isUsedUp);
  const waits = (usedUp.length > 0 ? usedUp : limits).map(({ waitMs }) => waitMs);
  return waits.length === 0 ? undefined : Math.max(...waits);
}

/** The remaining quota that a service reports, and how long that applies. */
export interface SaidLimit {
  readonly what: 'requests' | 'tokens';
  readonly remaining: number;
  readonly resetMs: number;
}

/** `x-ratelimit-remaining-requests` and `-tokens` with their resets; the bare names count requests. */
export function rateLimitsOf(headers: Headers, now: number): SaidLimit[] {
  return ['-requests', '-tokens', ''].flatMap((suffix) => {
    const remaining = numberOf(headers[`x-ratelimit-remaining${suffix}`]);
    const resetMs = waitOf(headers[`x-ratelimit-reset${suffix}`], now);
    if (remaining === undefined || remaining < 0) return [];
    if (resetMs === undefined || resetMs <= 0) return [];
    const what = suffix === '-tokens' ? ('tokens' as const) : ('requests' as const);
    return [{ what, remaining, resetMs: Math.min(LONGEST_MS, resetMs) }];
  });
}
