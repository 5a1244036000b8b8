import { z } from 'zod';

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const DURATION_HELP = 'must be a duration like 500ms, 30s, 2m or 1h';
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const BYTES = /^(\d+)(B|KiB|MiB|GiB|TiB)$/;
const BYTES_HELP = 'must be a size like 512B, 64KiB, 10MiB or 1GiB';
const BYTE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** "30s" → milliseconds. It refuses a bare number: nobody knows at 3 a.m. which unit that was. */
export const duration = z.string({ error: DURATION_HELP }).transform((text, context) => {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  const factor = DURATION_UNITS[unit ?? ''];
  if (amount === undefined || factor === undefined) {
    context.addIssue({ code: 'custom', message: DURATION_HELP });
    return z.NEVER;
  }
  return Number(amount) * factor;
});

/** "64KiB" → bytes. */
export const byteSize = z.string({ error: BYTES_HELP }).transform((text, context) => {
  const [, amount, unit] = BYTES.exec(text) ?? [];
  const factor = BYTE_UNITS[unit ?? ''];
  if (amount === undefined || factor === undefined) {
    context.addIssue({ code: 'custom', message: BYTES_HELP });
    return z.NEVER;
  }
  return Number(amount) * factor;
});
