import { derivedEventId } from '@memfleet/events';
import { createEmbedder } from '@memfleet/recall';
import { describe, expect, test } from 'vitest';
import { contentDigest } from '../../../workers/embedding/src/stored-vectors.ts';
import { EmbeddingFleet, factsSaying } from './running-stage.ts';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

describe('with the local embedder', () => {
  test('content is embedded: the vector in the table, the reference in the log', async () => {
    await using fleet = await EmbeddingFleet.create();
    await fleet.start(lexicalEmbedder);
    const content = 'Ada prefers tea to coffee.';
    const created = await fleet.publish('memory.created', 'm1', { content });
    const [event] = await fleet.published(1);
    expect(event).toMatchObject({
      id: derivedEventId(created, 'embedding', 1, 0),
      subject: 'm1',
      tenantid: 'acme',
      causationid: created.id,
      correlationid: created.correlationid,
      source: '/memfleet/embedding',
      data: {
        cause: { source: '/test', id: created.id, sequence: 1 },
        embedder: { name: 'lexical', version: '1' },
        space: lexicalEmbedder.space,
        target: { kind: 'content' },
        vector: { content_sha256: contentDigest(content), dimensions: 512 },
        usage: { calls: 0 },
        cached: false,
      },
    });
    const [expected] = lexicalEmbedder.embed([content]);
    const stored = (await fleet.vectors()).get(contentDigest(content));
    expect(Float32Array.from(stored ?? [])).toEqual(expected);
  });

  test('every fact of an extraction has a vector of its own; none is a skip', async () => {
    await using fleet = await EmbeddingFleet.create();
    await fleet.start(lexicalEmbedder);
    const texts = ['Ada prefers tea.', ' ', 'Ada lives in Lisbon.'];
    const extracted = await fleet.publish('memory.extracted', 'm1', factsSaying(texts));
    await fleet.publish('memory.extracted', 'm2', {
      ...factsSaying([]),
      empty_reason: 'nothing',
    });
    const rows = await fleet.finished(2);
    const events = await fleet.published(2);
    expect(
      events.map(({ id, data }) => ({ id, target: data.target, vector: data.vector })),
    ).toEqual(
      [0, 2].map((n) => ({
        id: derivedEventId(extracted, 'embedding', 1, n),
        target: { kind: 'fact', fact: n },
        vector: { content_sha256: contentDigest(texts[n] ?? ''), dimensions: 512 },
      })),
    );
    expect(rows.map(({ state, reason }) => [state, reason])).toEqual([
      ['done', null],
      ['skipped', 'no facts'],
    ]);
    expect((await fleet.vectors()).size).toBe(2);
  });

  test('blank content is skipped', async () => {
    await using fleet = await EmbeddingFleet.create();
    await fleet.start(lexicalEmbedder);
    await fleet.publish('memory.created', 'm1', { content: ' \n ' });
    const [row] = await fleet.finished(1);
    expect(row).toMatchObject({ state: 'skipped', reason: 'no text' });
  });
});
