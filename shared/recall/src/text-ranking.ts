import type { Queryable } from '@memfleet/runtime';
import type { ByLanguage } from './parse.ts';
import { rowsOfIndex } from './scope-size.ts';
import type { Scope } from './scope.ts';
import type { TenantStatistics } from './tenant-statistics.ts';
import type { TextTuning } from './tuning.ts';

export interface TextRanking {
  /** Best first, by BM25 of their own words. */
  readonly memories: readonly { readonly memory: string; readonly score: number }[];
  /**
   * What a bound left out: `only-added` when a word in too many memories only added to what others found;
   * `cut` when there were no others, so that only some of the memories with it were ranked.
   */
  readonly bound?: 'cut' | 'only-added';
}

/** Up to this many rows every word matches, however common. */
const SMALL_TENANT = 100;
/** Rows that tell how common a word is whose rows were not all read: within 2 percentage points, as a rule. */
const SAMPLE_ROWS = 500;
/** A scope with up to this many memories is searched row by row: 2 µs a word, where a key costs more. */
const FEW_ROWS = 2_000;

interface TextSearch {
  readonly words: readonly ByLanguage[];
  readonly scope: Scope;
  readonly statistics: TenantStatistics;
  readonly tuning: TextTuning;
  /** The most memories that one word may bring into the ranking. */
  readonly mostMatches: number;
  readonly limit: number;
}

/** Ranks memories of the scope by their words: BM25, with the tenant's own frequencies. */
export async function textRanking(db: Queryable, search: TextSearch): Promise<TextRanking> {
  const { words, scope, statistics, mostMatches } = search;
  if (words.length === 0) return { memories: [] };
  const { rows: count } = statistics;
  const isFew =
    scope.indexed !== undefined &&
    (await rowsOfIndex(db, scope, { tenantRows: count, most: FEW_ROWS })) <= FEW_ROWS;
  // Without a scope, the rows of a word need not be read beyond half of the tenant's to know that most have it.
  const half = count > SMALL_TENANT && !scope.isNarrow ? Math.floor(count / 2) : mostMatches;
  const found = await rank(db, search, isFew, Math.min(half, mostMatches));
  // There are no rarer words, so these decide, and all of their rows count.
  if (found.matched !== 'frequent' || half >= mostMatches) return rankingOf(found);
  return rankingOf(await rank(db, search, isFew, mostMatches));
}

interface Ranked {
  readonly memories: TextRanking['memories'];
  /** Which words brought memories in: rare ones, or, for want of any, those that most of the rows have. */
  readonly matched: 'rare' | 'frequent';
  /** Whether a word has more rows than were read, and is not one that most rows have. */
  readonly isBounded: boolean;
  /** Whether not even all rows of the words that decide were read. */
  readonly isCut: boolean;
}

function rankingOf({ memories, isBounded, isCut }: Ranked): TextRanking {
  if (isCut) return { memories, bound: 'cut' };
  return { memories, ...(isBounded ? { bound: 'only-added' } : {}) };
}

/** @param most rows that are read of a word, and one more */
async function rank(
  db: Queryable,
  { words, scope, statistics, tuning, limit }: TextSearch,
  isFew: boolean,
  most: number,
): Promise<Ranked> {
  const { rows: count, averageLength } = statistics;
  const { k1, b, match, idf } = tuning;
  const { rows } = await db.query<{
    memory: string;
    score: number;
    bounded: boolean;
    frequent: boolean;
    cut: boolean;
  }>({
    name: `recall-text-${scope.shape}-${isFew ? 'few' : 'keys'}`,
    text: bm25Sql(isFew ? `${HAS_WORD} and ${scope.seen}` : `${HAS_KEY} and ${scope.seenByKeys}`),
    values: [
      ...scope.values,
      words.map(keysOf),
      words.map((word) => JSON.stringify(word)),
      most,
      count,
      averageLength,
      k1,
      b,
      idf,
      match === 'all',
      limit,
      count > SMALL_TENANT ? count / 2 : Number.POSITIVE_INFINITY,
      scope.isNarrow,
    ],
  });
  const [first] = rows;
  return {
    memories: rows.map(({ memory, score }) => ({ memory, score })),
    matched: first?.frequent === true ? 'frequent' : 'rare',
    isBounded: first?.bounded === true,
    isCut: first?.cut === true,
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
 * $11 keys and $12 lexemes of each word, $13 the most rows to read of a word, $14 rows and $15 average
 * length of the tenant, $16 k1, $17 b, $18 whether rarity counts, $19 whether all words must be there,
 * $20 the limit, $21 rows of the tenant beyond which most have a word, $22 whether the scope is narrow.
 *
 * Every word looks its rows up by itself, so that a row is visited once for each of its words. A lexeme
 * stands between two blanks, so the length that a text loses without it shows how often it occurred.
 *
 * The frequency of a word is that in the tenant, whatever the scope. Without a scope its rows are counted on
 * the way; where not all were read, a sample of the tenant says how many have it. Words that most rows have
 * bring none in and add nothing; words with more rows than may be read bring none in either, and only add to
 * the score of the best rows that the others found. If there are no others, these words decide.
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
), sample as materialized (
  select memories.language, memories.lexemes from memory.memories
  where memories.tenant = $1 and memories.length > 0
  order by memories.memory limit ${SAMPLE_ROWS}
), counted as (
  select place, count(*) as rows from matches group by place
), found as materialized (
  select place, words.lexemes, counted.rows, case when $22::boolean then (
      select count(*) from (
        select from memory.memories
        where ${HAS_KEY} and (memories.tenant = $1) is true
        limit $13::int + 1
      ) as found
    ) else counted.rows end as read
  from counted join words using (place)
), frequencies as materialized (
  select place, rows, case when read <= $13::int then read else greatest(read, (
      select $14::float8 * avg(
        case when position(found.lexemes ->> sample.language in sample.lexemes) > 0 then 1 else 0 end)
      from sample
    )) end::float8 as frequency
  from found
), common as materialized (
  select place, frequency, frequency > $21::float8 as is_frequent, rows > $13::int as is_cut,
    frequency > $21::float8 or rows > $13::int as is_common
  from frequencies
), weighed as materialized (
  select place, is_frequent, is_cut, not is_common or bool_and(is_common) over () as is_matched,
    case when $18::boolean
      then ln(1 + (greatest($14::float8, frequency) - frequency + 0.5) / (frequency + 0.5))
      else 1 end as idf
  from common
), scored as materialized (
  select memory, count(*) as words, sum(idf * ${WEIGHT}) as score
  from matches join weighed using (place)
  where is_matched and times > 0
  group by memory
  order by score desc
  limit 10 * $20::int
)
select memory, scored.score + coalesce(added.score, 0) as score,
  exists (select from weighed where is_cut and not is_frequent and not is_matched) as bounded,
  exists (select from weighed where is_cut and is_matched) as cut,
  not exists (select from weighed where not is_frequent) as frequent
from scored left join lateral (
  select sum(idf * ${WEIGHT}) as score
  from weighed join words using (place)
  join memory.memories on memories.tenant = $1 and memories.memory = scored.memory
  cross join lateral (select ${TIMES} as times) as counted
  where not is_matched and not is_frequent and times > 0
) as added on exists (select from weighed where not is_matched and not is_frequent)
where not $19::boolean or scored.words = cardinality($11)
order by score desc, memory
limit $20::int`;
