import { describe, expect, it } from 'vitest';
import { latencyOf } from '../../../workers/cli/src/bench/latency.ts';
import { measureOf, medianRun } from '../../../workers/cli/src/bench/measure.ts';
import { sampleEvents } from '../../../workers/cli/src/bench/sample-events.ts';

describe('bench', () => {
  it('computes rates, and the ratio to the limit', () => {
    const run = { events: 1_000, seconds: 0.5 };
    const limit = { events: 1_000, seconds: 0.4 };
    const measure = measureOf(run, { measure: 'm', settings: { window: 2 } }, limit);
    expect(measure).toMatchObject({ perSecond: 2_000, limitPerSecond: 2_500, ratio: 0.8 });
    expect(measure.rssMB).toBeGreaterThan(10);
  });

  it('leaves out what does not apply', () => {
    const measure = measureOf({ events: 1, seconds: 1 }, { measure: 'm', settings: {} });
    expect(Object.keys(measure)).not.toContain('ratio');
    expect(Object.keys(measure)).not.toContain('p50ms');
  });

  it('takes the median run by rate, and of two the slower', () => {
    const runs = [5, 1, 3].map((seconds) => ({ events: 100, seconds }));
    expect(medianRun(runs).seconds).toBe(3);
    expect(medianRun(runs.slice(0, 2)).seconds).toBe(5);
  });

  it('takes percentiles by nearest rank, in any order', () => {
    const durations = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(latencyOf(durations)).toEqual({ p50ms: 50, p95ms: 95, p99ms: 99 });
    expect(latencyOf([3])).toEqual({ p50ms: 3, p95ms: 3, p99ms: 3 });
  });

  it('makes events of the requested size, each with another content', () => {
    const contents = sampleEvents(50, 300).map(({ data }) => String(data['content']));
    expect(contents.map((content) => content.length)).toEqual(contents.map(() => 300));
    expect(new Set(contents).size).toBe(50);
  });
});
