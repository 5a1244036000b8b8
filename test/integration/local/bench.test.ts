import { describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { connectTestBroker } from '../../support/broker.ts';
import { runCommand } from '../../support/cli.ts';

const measure = z.strictObject({
  measure: z.string(),
  events: z.int().positive(),
  bytesPerEvent: z.int().min(300),
  seconds: z.number().positive(),
  perSecond: z.int().positive(),
  limitPerSecond: z.int().positive(),
  ratio: z.number().positive(),
  p50ms: z.number().optional(),
  p95ms: z.number().optional(),
  p99ms: z.number().optional(),
  rssMB: z.int().positive(),
  settings: z.record(z.string(), z.union([z.string(), z.number()])),
});

describe('memfleet bench publish', () => {
  it('prints one line a measure, and leaves no stream behind', async () => {
    const { code, stdout, stderr } = await runCommand(
      ['bench', 'publish', '--json', '--events', '300', '--bytes', '300'],
      { NATS_URL: inject('natsUrl') },
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const measures = stdout.split('\n').map((line) => measure.parse(JSON.parse(line)));
    expect(measures.map(({ measure: name }) => name)).toEqual([
      'publish-windowed',
      'publish-batched',
      'publish-single',
    ]);
    expect(measures.at(-1)?.p99ms).toBeGreaterThan(0);
    await using broker = await connectTestBroker();
    const names: string[] = [];
    for await (const name of broker.jsm.streams.names()) names.push(name);
    expect(names.filter((name) => name.startsWith('BENCH_'))).toEqual([]);
  });

  it('does not start a server of its own when the one that is named does not answer', async () => {
    const { code, stderr } = await runCommand(['bench', 'publish', '--events', '100'], {
      NATS_URL: 'nats://127.0.0.1:1',
    });
    expect(code).toBe(1);
    expect(stderr).toContain('127.0.0.1:1');
  });
});
