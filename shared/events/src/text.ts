import { z } from 'zod';

/**
 * Text that every part of the fleet can keep unchanged. PostgreSQL refuses U+0000, and a lone
 * surrogate becomes U+FFFD on its way through UTF-8: both are refused at the door, so that what is
 * read back is what was said.
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
