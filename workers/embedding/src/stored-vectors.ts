import { createHash } from 'node:crypto';
import { type Queryable, realArray } from '@memfleet/runtime';

/** A vector, and its text identified by the SHA-256 in hex: `contentDigest`. */
export interface AddressedVector {
  readonly digest: string;
  readonly vector: Float32Array;
}

/** SHA-256 of a text as UTF-8, in lower-case hex: what `memory.embedded` calls content_sha256. */
export function contentDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Finds which of the texts already have a vector in the space, in one round trip. */
export async function findStored(
  db: Queryable,
  space: string,
  digests: readonly string[],
): Promise<Set<string>> {
  const { rows } = await db.query<{ digest: string }>({
    name: 'vectors-stored',
    text: `select encode(content_sha256, 'hex') as digest
      from memfleet.vectors
      join unnest($2::text[]) as asked (digest) on content_sha256 = decode(asked.digest, 'hex')
      where space = $1`,
    values: [space, digests],
  });
  return new Set(rows.map((row) => row.digest));
}

/** Bounds one statement to a few megabytes. */
const MAX_FLOATS = 1_000_000;

/**
 * Stores vectors that are missing. They are content-addressed, so an existing one is equal, and stays. Rows
 * are inserted in the order of their digests, so that two workers with overlapping batches cannot
 * deadlock.
 */
export async function storeVectors(
  db: Queryable,
  space: string,
  vectors: readonly AddressedVector[],
): Promise<void> {
  const distinct = new Map(vectors.map((item) => [item.digest, item.vector]));
  const ordered = [...distinct].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const dimensions = ordered[0]?.[1].length ?? 1;
  const chunk = Math.max(1, Math.floor(MAX_FLOATS / dimensions));
  for (let start = 0; start < ordered.length; start += chunk) {
    const part = ordered.slice(start, start + chunk);
    await db.query({
      name: 'vectors-store',
      text: STORE_SQL,
      values: [
        space,
        part.map(([digest]) => digest),
        dimensions,
        realArray(part.map(([, vector]) => vector)),
      ],
    });
  }
}

/** All vectors are one array ($4), which is sliced here; the cast to the column type is implicit. */
const STORE_SQL = `
insert into memfleet.vectors (space, content_sha256, dimensions, embedding)
select $1, decode(given.digest, 'hex'), $3::int,
  ($4::real[])[(given.place::int - 1) * $3::int + 1 : given.place::int * $3::int]
from unnest($2::text[]) with ordinality as given (digest, place)
order by given.digest
on conflict (space, content_sha256) do nothing`;
