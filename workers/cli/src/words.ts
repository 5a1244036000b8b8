/** 0 → "0 s", 0.25 → "250 ms", 75 → "1 min 15 s", 90000 → "1 d 1 h". */
export function durationInWords(seconds: number): string {
  if (seconds > 0 && seconds < 1) return `${Math.max(1, Math.round(seconds * 1_000))} ms`;
  const whole = Math.round(seconds);
  const units: readonly (readonly [number, string])[] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3_600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = units.findIndex(([amount]) => amount > 0);
  if (first === -1) return '0 s';
  return units
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

/** 1234567 → "1,234,567". */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** 1536 → "1.5 KiB". */
export function bytesInWords(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let amount = bytes;
  let unit = 0;
  while (amount >= 1_024 && unit < units.length - 1) {
    amount /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit] ?? ''}`;
}

/** One decimal below 10, none above: 0.42 → "0.4/s". */
export function rateInWords(perSecond: number): string {
  return perSecond < 10 && perSecond > 0
    ? `${perSecond.toFixed(1)}/s`
    : `${grouped(Math.round(perSecond))}/s`;
}

/** Foreign text in one line: control and direction characters must not steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
}
