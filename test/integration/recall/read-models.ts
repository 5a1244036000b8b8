import {
  type AddressedVector,
  contentDigest,
  type LocalEmbedder,
  storeVectors,
} from '@memfleet/recall';
import type { Queryable } from '@memfleet/runtime';

/** What recall reads of the read models: the columns of the views in the schema `memory`. */
export const READ_MODELS = `
create schema memory;
create table memory.memories (
  tenant text, memory text, content text, kind text, importance double precision,
  created_at timestamptz, revised_at timestamptz, superseded_by text, superseded_at timestamptz,
  forgotten_at timestamptz, sequence bigint, primary key (tenant, memory)
);
create index on memory.memories using gin (to_tsvector('english', content));
create table memory.embeddings (
  tenant text, memory text, target text, ordinal int, space text, content_sha256 text,
  sequence bigint, primary key (tenant, memory, target, ordinal, space)
);
create table memory.facts (
  tenant text, memory text, ordinal int, text text, sequence bigint,
  primary key (tenant, memory, ordinal)
);`;

export interface Remembered {
  readonly tenant?: string;
  readonly memory: string;
  readonly content: string | null;
  readonly facts?: readonly string[];
  readonly superseded?: boolean;
  readonly forgotten?: boolean;
}

/** Fills the read models as projections would, with vectors unless there is no embedder. */
export async function remember(
  db: Queryable,
  embedder: LocalEmbedder | undefined,
  memories: readonly Remembered[],
): Promise<void> {
  const vectors: AddressedVector[] = [];
  for (const [index, item] of memories.entries()) {
    const { tenant = 'acme', memory, content, facts = [] } = item;
    const sequence = index + 1;
    await db.query({
      text: `insert into memory.memories
          (tenant, memory, content, kind, importance, created_at, superseded_at, forgotten_at, sequence)
        values ($1, $2, $3, 'note', 0.5, now(), $4, $5, $6)`,
      values: [
        tenant,
        memory,
        content,
        item.superseded === true ? new Date() : null,
        item.forgotten === true ? new Date() : null,
        sequence,
      ],
    });
    for (const [ordinal, text] of facts.entries()) {
      await db.query({
        text: 'insert into memory.facts values ($1, $2, $3, $4, $5)',
        values: [tenant, memory, ordinal, text, sequence],
      });
    }
    if (embedder === undefined) continue;
    const texts = [...(content === null ? [] : [content]), ...facts];
    const embedded = embedder.embed(texts);
    for (const [place, text] of texts.entries()) {
      const vector = embedded[place];
      if (vector === undefined) throw new Error('a vector is missing');
      const digest = contentDigest(text);
      vectors.push({ digest, vector });
      const isFact = content === null || place > 0;
      await db.query({
        text: 'insert into memory.embeddings values ($1, $2, $3, $4, $5, $6, $7)',
        values: [
          tenant,
          memory,
          isFact ? 'fact' : 'content',
          isFact ? place - (content === null ? 0 : 1) : 0,
          embedder.space,
          digest,
          sequence,
        ],
      });
    }
  }
  if (embedder !== undefined) await storeVectors(db, embedder.space, vectors);
}
