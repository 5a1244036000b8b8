import { InvalidArgumentError } from 'commander';

/** Parses an option as a whole number, and refuses anything else. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  KiB: 1_024,
  MiB: 1_024 ** 2,
  GiB: 1_024 ** 3,
};

/** Reads a size such as 512MiB. @returns bytes */
export function sizeInBytes(text: string): number {
  const [, amount, unit] = /^(\d{1,6})(KiB|MiB|GiB)$/.exec(text) ?? [];
  const factor = SIZE_UNITS[unit ?? ''];
  if (factor === undefined || Number(amount) === 0) {
    throw new InvalidArgumentError('It must be a size, such as 512MiB or 4GiB.');
  }
  return Number(amount) * factor;
}
