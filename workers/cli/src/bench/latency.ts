export interface Latency {
  readonly p50ms: number;
  readonly p95ms: number;
  readonly p99ms: number;
}

/** Percentiles of durations in ms, by nearest rank. */
export function latencyOf(durations: readonly number[]): Latency {
  const sorted = durations.toSorted((a, b) => a - b);
  const at = (share: number): number => {
    const rank = Math.max(0, Math.ceil(share * sorted.length) - 1);
    return Number((sorted[rank] ?? 0).toFixed(3));
  };
  return { p50ms: at(0.5), p95ms: at(0.95), p99ms: at(0.99) };
}
