import { UsageError } from '../failure.ts';

const AGE = /^(\d{1,9})(s|m|h|d)$/;
const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** "90d" → milliseconds. @throws UsageError */
export function ageOf(text: string, option: string): number {
  const [, amount, unit] = AGE.exec(text) ?? [];
  const factor = UNITS[unit ?? ''];
  if (amount === undefined || factor === undefined) {
    throw new UsageError(`${option} must be an age like 30s, 15m, 2h or 90d`);
  }
  return Number(amount) * factor;
}
