import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MemoryEvent, registry } from '@memfleet/events';
import { removePostgresData, startNatsServer } from '@memfleet/local';
import { readStored } from '@memfleet/runtime';
import { connect } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateConversations } from '../../workers/cli/src/demo/conversations/generate.ts';
import { type CommandResult, runCommand } from '../support/cli.ts';
import { processesOf } from '../support/processes.ts';

const { events: published, questions } = generateConversations(7);
const created = published.filter(({ type }) => type === 'memory.created').length;
const forgotten = published.filter(({ type }) => type === 'memory.forgotten').length;
const withContent = published.filter(({ data }) => data['content'] !== undefined).length;

interface Report {
  readonly events: number;
  readonly memories: number;
  readonly facts: number;
  readonly entities: number;
  readonly embeddings: number;
  readonly modelCalls: number;
  readonly seconds: number;
  readonly recalls: readonly {
    readonly question: string;
    readonly answers: readonly { readonly content: string }[];
  }[];
}

describe('memfleet demo', () => {
  let stateDir: string;
  let result: CommandResult;
  let report: Report;

  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'memfleet-e2e-demo-'));
    // Servers of other people, which a demo must not touch: they would not even answer.
    result = await runCommand(['demo', '--json', '--state', stateDir], {
      NATS_URL: 'nats://127.0.0.1:1',
      DATABASE_URL: 'postgres://127.0.0.1:1/none',
    });
    report = JSON.parse(result.stdout.split('\n').at(-1) || '{}') as Report;
  });

  afterAll(async () => {
    await removePostgresData(join(stateDir, 'postgres'));
    await rm(stateDir, { recursive: true, force: true });
  });

  it('exits 0 by itself, and leaves no process behind', () => {
    expect({ code: result.code, stderr: result.stderr }).toMatchObject({ code: 0 });
    expect(processesOf(stateDir)).toEqual([]);
  });

  it('ends with the counts and nothing else', () => {
    expect(Object.keys(report)).toEqual([
      'events',
      'memories',
      'facts',
      'entities',
      'embeddings',
      'modelCalls',
      'seconds',
      'recalls',
    ]);
    expect(report).toMatchObject({ events: published.length, memories: created - forgotten });
    expect(report.facts).toBeGreaterThan(500);
    expect(report.entities).toBeGreaterThan(100);
    expect(report.embeddings).toBeGreaterThan(report.memories);
  });

  it('called a model once for each event that needed it: for every content, and every new text', async () => {
    const texts = new Set<string>();
    let extracted = 0;
    for (const event of await eventsOfLog(stateDir)) {
      if (event.type === 'memory.created' || event.type === 'memory.revised') {
        texts.add(event.data.content);
      } else if (event.type === 'memory.extracted') {
        extracted += 1;
        for (const { text } of event.data.facts) texts.add(text);
      }
    }
    expect(extracted).toBe(withContent);
    expect(report.modelCalls).toBe(withContent + texts.size);
  });

  it('answers its questions', () => {
    expect(report.recalls.map(({ question }) => question)).toEqual(
      questions.map(({ question }) => question),
    );
    const missed = questions.filter(
      ({ expected }, index) =>
        report.recalls[index]?.answers[0]?.content.includes(expected) !== true,
    );
    expect(missed).toEqual([]);
  });
});

/** The contents of the demo's log, read by a server of our own. */
async function eventsOfLog(stateDir: string): Promise<MemoryEvent[]> {
  const server = await startNatsServer({ dataDir: join(stateDir, 'nats') });
  const connection = await connect({ servers: server.url });
  try {
    const events: MemoryEvent[] = [];
    for await (const { data } of readStored(connection, 'MEMORY', { from: 1 })) {
      const decoded = registry.decode(data);
      if (decoded.kind !== 'known') throw new Error('the log holds an event that nobody knows');
      events.push(decoded.event);
    }
    return events;
  } finally {
    await connection.close();
    await server.stop();
  }
}
