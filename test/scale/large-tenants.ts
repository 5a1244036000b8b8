import { createEmbedder } from '@memfleet/recall';
import { type Pool, withoutTimeLimit } from '@memfleet/runtime';
import { analyse } from '../../shared/projections/src/text/analyse.ts';
import { contentDigest, storeVectors } from '../../workers/embedding/src/stored-vectors.ts';
import { READ_MODELS } from '../integration/recall/read-models.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

export interface LargeMemory {
  readonly tenant: string;
  readonly content: string;
  readonly user?: string;
  readonly agent?: string;
}

const lexicalEmbedder = createEmbedder({ kind: 'local' });
const CHUNK = 2_000;

/**
 * The read models of many memories, written in bulk: the same rows as from the projections, with their
 * indexes built at the end, as in a rebuild.
 */
export async function largeTenants(
  memories: Iterable<LargeMemory>,
  { vectors }: { readonly vectors: boolean },
): Promise<TestDatabase> {
  const database = await createTestDatabase();
  const { pool } = database;
  await pool.query(READ_MODELS);
  const { rows: indexes } = await pool.query<{ name: string; definition: string }>(
    `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
      from pg_index join pg_class on pg_class.oid = indrelid
      where relnamespace = 'memories_1'::regnamespace and not indisunique`,
  );
  for (const { name } of indexes) await pool.query(`drop index ${name}`);
  let position = 0;
  let chunk: LargeMemory[] = [];
  for (const memory of memories) {
    chunk.push(memory);
    if (chunk.length < CHUNK) continue;
    await write(pool, chunk, position, vectors);
    position += chunk.length;
    chunk = [];
  }
  await write(pool, chunk, position, vectors);
  const client = await pool.connect();
  await client.query('set statement_timeout = 0');
  await client.query(`set maintenance_work_mem = '512MB'`);
  for (const { definition } of indexes) await client.query(withoutTimeLimit(definition));
  await client.query(withoutTimeLimit('vacuum analyze'));
  client.release(true);
  return database;
}

async function write(
  pool: Pool,
  chunk: readonly LargeMemory[],
  position: number,
  vectors: boolean,
): Promise<void> {
  const analysed = chunk.map(({ content }) => analyse(content, 'en'));
  await pool.query({
    name: 'large-memories',
    text: `insert into memories_1.memories (tenant, memory, content, language, lexemes, length,
        content_seq, kind, kind_seq, importance, importance_seq, scope_user, scope_agent, created_at, origin_seq)
      select tenant, 'm-' || ($7 + ordinality), content, 'en', lexemes, length, -($7 + ordinality),
        'note', -($7 + ordinality), 0.5, -($7 + ordinality), scope_user, scope_agent,
        timestamptz '2026-01-01' + ($7 + ordinality) * interval '1 second', -($7 + ordinality)
      from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[])
        with ordinality as given (tenant, content, lexemes, length, scope_user, scope_agent, ordinality)`,
    values: [
      chunk.map(({ tenant }) => tenant),
      chunk.map(({ content }) => content),
      analysed.map(({ lexemes }) => lexemes),
      analysed.map(({ length }) => length),
      chunk.map(({ user }) => user ?? null),
      chunk.map(({ agent }) => agent ?? null),
      position,
    ],
  });
  if (!vectors) return;
  const embedded = lexicalEmbedder.embed(chunk.map(({ content }) => content));
  const digests = chunk.map(({ content }) => contentDigest(content));
  await storeVectors(
    pool,
    lexicalEmbedder.space,
    embedded.map((vector, index) => ({ digest: digests[index] ?? '', vector })),
  );
  await pool.query({
    name: 'large-embeddings',
    text: `insert into memories_1.embeddings (tenant, memory, target, ordinal, space, content_sha256, sequence)
      select tenant, 'm-' || ($4 + ordinality), 'content', 0, $3, digest, $4 + ordinality
      from unnest($1::text[], $2::text[]) with ordinality as given (tenant, digest, ordinality)`,
    values: [chunk.map(({ tenant }) => tenant), digests, lexicalEmbedder.space, position],
  });
}
