import type { Queryable } from '@memfleet/runtime';
import type { ByLanguage } from './parse.ts';
import { rowsOfScope } from './scope-size.ts';
import type { Scope } from './scope.ts';
import type { TenantStatistics } from './tenant-statistics.ts';
import type { TextTuning } from './tuning.ts';

export interface TextRanking {
  /** Best first, by BM25 of their own words. */
  readonly memories: readonly { readonly memory: string; readonly score: number }[];
  /** Whether a word was too common to bring all of its memories into the ranking. */
  readonly isBounded: boolean;
}

/** Up to this many rows every word matches, however common. */
const SMALL_TENANT = 100;
/** A scope with up to this many memories is searched row by row: 2 µs a word, where a key costs more. */
const FEW_ROWS = 2_000;

/** Ranks memories of the scope by their words: BM25, with the tenant's own frequencies. */
export async function textRanking(
  db: Queryable,
  search: {
    readonly words: readonly ByLanguage[];
    readonly scope: Scope;
    readonly statistics: TenantStatistics;
    readonly tuning: TextTuning;
    /** The most memories that one word may bring into the ranking. */
    readonly mostMatches: number;
    readonly limit: number;
  },
): Promise<TextRanking> {
  const { words, scope, statistics, tuning, mostMatches, limit } = search;
  if (words.length === 0) return { memories: [], isBounded: false };
  const { rows: count, averageLength } = statistics;
  const { k1, b, match, idf } = tuning;
  const half = count > SMALL_TENANT ? Math.floor(count / 2) : mostMatches;
  const isFew =
    scope.indexed !== undefined &&
    (await rowsOfScope(db, scope, { tenantRows: count, most: FEW_ROWS })) <= FEW_ROWS;
  const { rows } = await db.query<{ memory: string; score: number; bounded: boolean }>({
    name: `recall-text-${scope.shape}-${isFew ? 'few' : 'keys'}`,
    text: bm25Sql(isFew ? `${HAS_WORD} and ${scope.seen}` : `${HAS_KEY} and ${scope.seenByKeys}`),
    values: [
      ...scope.values,
      words.map(keysOf),
      words.map((word) => JSON.stringify(word)),
      Math.min(half, mostMatches),
      count,
      averageLength,
      k1,
      b,
      idf,
      match === 'all',
      limit,
      mostMatches < half,
      scope.isNarrow,
    ],
  });
  return {
    memories: rows.map(({ memory, score }) => ({ memory, score })),
    // A word in most rows carries no information: leaving it out of the match loses nothing.
    isBounded: mostMatches < half && rows[0]?.bounded === true,
  };
}

/** How often a word is in a row. */
const TIMES = `(octet_length(memories.lexemes)
    - octet_length(replace(memories.lexemes, words.lexemes ->> memories.language, '')))
    / octet_length(words.lexemes ->> memories.language)::float8`;

/** The same match made in two ways: by the index of words, or in rows that another index returns. */
const HAS_KEY = 'memories.keys && words.keys';
const HAS_WORD = 'position(words.lexemes ->> memories.language in memories.lexemes) > 0';

/** The weight before the rarity of the word: repetition counts less and less, and less in a long text. */
const WEIGHT = `times * ($16::float8 + 1)
    / (times + $16::float8 * (1 - $17::float8 + $17::float8 * length / $15::float8))`;

/** `de:tee en:tea`: the index has each under its tenant, which the statement puts in front. */
function keysOf(word: ByLanguage): string {
  return Object.entries(word)
    .map(([language, lexeme]) => `${language}:${lexeme.trim()}`)
    .join(' ');
}

/**
 * $11 keys and $12 lexemes of each word, $13 most rows a word may bring in, $14 rows and $15 average
 * length of the tenant, $16 k1, $17 b, $18 whether rarity counts, $19 whether all words must be there,
 * $20 the limit, $21 whether words with more rows count at all, $22 whether the scope is narrow.
 *
 * Every word looks its rows up by itself, so that a row is visited once for each of its words. The rows of
 * a word are counted on the way; in a narrow scope, the tenant's are counted separately. A lexeme stands
 * between two blanks, so the length that a text loses without it shows how often it occurred. Words with
 * more rows than they may bring in only add to the score of the best rows that the others found, unless
 * there are no others; a word that most rows have adds nothing.
 */
const bm25Sql = (isMatch: string): string => `
with words as materialized (
  select place, lexemes,
    string_to_array(prefix || replace(keys, ' ', ' ' || prefix), ' ') as keys
  from unnest($11::text[], $12::jsonb[]) with ordinality as given (keys, lexemes, place),
    concat(to_hex(hashtext($1)), '.') as prefix
), matches as materialized (
  select words.place, found.*
  from words cross join lateral (
    select memories.memory, memories.length, ${TIMES} as times
    from memory.memories
    where ${isMatch}
    limit $13::int + 1
  ) as found
), counted as (
  select place, count(*) as rows from matches group by place
), weighed as materialized (
  select place, rows > $13::int as is_common,
    rows <= $13::int or min(rows) over () > $13::int as is_matched,
    case when $18::boolean
      then ln(1 + (greatest($14::float8, frequency) - frequency + 0.5) / (frequency + 0.5))
      else 1 end as idf
  from counted join words using (place) cross join lateral (
    select case when $22::boolean then (
      select count(*) from (
        select from memory.memories
        where ${HAS_KEY} and (memories.tenant = $1) is true
        limit $13::int + 1
      ) as found
    ) else rows end as frequency
  ) as tenants
), scored as materialized (
  select memory, count(*) as words, sum(idf * ${WEIGHT}) as score
  from matches join weighed using (place)
  where is_matched and times > 0
  group by memory
  order by score desc
  limit 10 * $20::int
)
select memory, scored.score + coalesce(common.score, 0) as score,
  exists (select from weighed where is_common) as bounded
from scored left join lateral (
  select sum(idf * ${WEIGHT}) as score
  from weighed join words using (place)
  join memory.memories on memories.tenant = $1 and memories.memory = scored.memory
  cross join lateral (select ${TIMES} as times) as counted
  where not is_matched and times > 0
) as common on $21::boolean and exists (select from weighed where not is_matched)
where not $19::boolean or scored.words = cardinality($11)
order by score desc, memory
limit $20::int`;
