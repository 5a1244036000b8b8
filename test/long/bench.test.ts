import { describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { connectTestBroker } from '../support/broker.ts';
import { runCommand } from '../support/cli.ts';
import { createTestDatabase } from '../support/database.ts';

const measure = z.strictObject({
  measure: z.string(),
  events: z.int().positive(),
  bytesPerEvent: z.int().min(300),
  seconds: z.number().positive(),
  perSecond: z.int().positive(),
  limitPerSecond: z.int().positive().optional(),
  ratio: z.number().positive().optional(),
  p50ms: z.number().optional(),
  p95ms: z.number().optional(),
  p99ms: z.number().optional(),
  rssMB: z.int().positive(),
  modelCalls: z.int().optional(),
  settings: z.record(z.string(), z.union([z.string(), z.number()])),
});

describe('memfleet bench publish', () => {
  it('prints one line per measure, and leaves no stream behind', async () => {
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
    for (const { ratio } of measures) expect(ratio).toBeGreaterThan(0);
    await using broker = await connectTestBroker();
    const names: string[] = [];
    for await (const name of broker.jsm.streams.names()) names.push(name);
    expect(names.filter((name) => name.startsWith('BENCH_'))).toEqual([]);
  });

  it('does not start a server of its own when the named one does not answer', async () => {
    const { code, stderr } = await runCommand(['bench', 'publish', '--events', '100'], {
      NATS_URL: 'nats://127.0.0.1:1',
    });
    expect(code).toBe(1);
    expect(stderr).toContain('127.0.0.1:1');
  });
});

describe('memfleet bench of workers', () => {
  const servers = { NATS_URL: inject('natsUrl'), DATABASE_URL: inject('databaseUrl') };
  const bench = async (...args: readonly string[]): Promise<z.output<typeof measure>[]> => {
    const { code, stdout, stderr } = await runCommand(['bench', ...args, '--json'], servers);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return stdout.split('\n').map((line) => measure.parse(JSON.parse(line)));
  };

  it.for(['extraction', 'embedding'])(
    'measures one %s process beside the raw client',
    async (stage) => {
      const [instant] = await bench(stage, '--events', '1000');
      expect(instant).toMatchObject({ measure: `${stage}-instant`, modelCalls: 0 });
      expect(instant?.settings['warmUp']).toBe(250);
    },
  );

  it('measures how busy a slow model is kept', async () => {
    const [slow] = await bench('extraction', '--latency', '200', '--concurrency', '8');
    expect(slow).toMatchObject({ measure: 'extraction-slow-model', modelCalls: 96 });
    expect(slow?.settings['mostInFlight']).toBe(8);
  });

  it('measures the projections beside a hand-written loop', async () => {
    const measures = await bench('projection', '--events', '1000');
    expect(measures.map(({ measure: name }) => name)).toEqual([
      'projection-memories',
      'projection-all',
    ]);
  });

  it('measures how soon an event is visible', async () => {
    const [visible] = await bench('latency', '--seconds', '1', '--rate', '50');
    expect(visible?.measure).toBe('append-to-visible');
    expect(visible?.p50ms).toBeGreaterThan(0);
    expect(visible?.settings).toMatchObject({ lanes: 3 });
    const [alone] = await bench('latency', '--seconds', '1', '--rate', '50', '--alone');
    expect(alone?.settings).toMatchObject({ lanes: 1 });
  });

  it('leaves no stream and no database behind', async () => {
    await using broker = await connectTestBroker();
    const streams: string[] = [];
    for await (const name of broker.jsm.streams.names()) streams.push(name);
    expect(streams.filter((name) => name.startsWith('BENCH_'))).toEqual([]);
    await using database = await createTestDatabase();
    const { rows } = await database.pool.query(
      `select datname from pg_database where datname like 'memfleet_bench%'`,
    );
    expect(rows).toEqual([]);
  });
});
