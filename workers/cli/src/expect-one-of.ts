import { didYouMean } from '@memfleet/runtime';
import { UsageError } from './failure.ts';

/** @throws UsageError that names the near candidate, or all of them */
export function expectOneOf(
  name: string,
  value: string | undefined,
  candidates: readonly string[],
): void {
  if (value === undefined || candidates.includes(value)) return;
  const suggestion = didYouMean(value, candidates) || `, it is one of ${candidates.join(', ')}`;
  throw new UsageError(`unknown ${name} ${value}${suggestion}`);
}
