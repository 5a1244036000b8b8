import { z } from 'zod';

/**
 * Text that every part of the fleet can keep unchanged. PostgreSQL refuses U+0000, and a lone surrogate
 * becomes U+FFFD on its way through UTF-8. Publishing refuses both, so that the text read back is the
 * text written.
 */
export function storableText(max: number, min = 1) {
  return z
    .string()
    .min(min)
    .max(max)
    .refine(isStorable, { error: 'contains U+0000 or half of a surrogate pair' });
}

export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed();
}

/** Deepest nesting of an event: far more than any event needs, far less than overflows a stack. */
export const MAX_DEPTH = 100;

/**
 * Whether JSON text, and so every string in it, is storable as it is: unstorable characters can only come
 * from an escape, since valid UTF-8 has no lone surrogates and valid JSON no bare control characters.
 */
export function isPlain(json: string): boolean {
  return !json.includes('\\u') && !json.includes(PROTOTYPE);
}

/** A field with this name is harmless in JSON, but replaces a prototype in a careless reader. */
const PROTOTYPE = '__proto__';

/**
 * Why a JSON value cannot be kept unchanged by every part of the fleet; `undefined` when it can.
 * Fields that no schema names are kept too, so the same rules apply to them: no text that PostgreSQL
 * refuses, no number that JSON.parse made infinite (1e999 would be written back as null), no field called
 * `__proto__`, and no nesting that JSON.parse accepts but that overflows JSON.stringify or a recursive
 * reader. Text known to be plain is not checked again, which halves the time of a decode.
 */
export function unstorable(value: unknown, isPlainText = false, depth = 0): string | undefined {
  if (typeof value === 'string') {
    return isPlainText || isStorable(value)
      ? undefined
      : 'text contains U+0000 or half of a surrogate pair';
  }
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : 'a number is beyond double precision';
  }
  if (typeof value === 'bigint') return 'a BigInt cannot be written as JSON';
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= MAX_DEPTH) return `nested more than ${MAX_DEPTH} levels deep`;
  if (Array.isArray(value)) {
    for (const item of value) {
      const problem = unstorable(item, isPlainText, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  const record = value as Record<string, unknown>;
  for (const key of Object.keys(record)) {
    if (!isPlainText) {
      if (key === PROTOTYPE) return `a field is called ${PROTOTYPE}`;
      if (!isStorable(key)) return 'a name contains U+0000 or half of a surrogate pair';
    }
    const problem = unstorable(record[key], isPlainText, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
