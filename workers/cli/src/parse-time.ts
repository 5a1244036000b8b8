const DAY = /^\d{4}-\d{2}-\d{2}/;
const HAS_ZONE = /(?:[zZ]|[+-]\d{2}:?\d{2})$/;

/**
 * A day, which begins at midnight UTC, or a time, in UTC unless it names a zone: the same command must mean
 * the same on every machine.
 * @returns undefined for a text that is neither
 */
export function parseTime(text: string): Date | undefined {
  const [day] = DAY.exec(text) ?? [];
  // A Date takes 30 February for 2 March.
  if (day === undefined || !isDay(day)) return undefined;
  const isLocal = /[T ]/i.test(text) && !HAS_ZONE.test(text);
  const value = new Date(isLocal ? `${text}Z` : text);
  return Number.isNaN(value.getTime()) ? undefined : value;
}

function isDay(day: string): boolean {
  const value = new Date(day);
  return !Number.isNaN(value.getTime()) && value.toISOString().startsWith(day);
}
