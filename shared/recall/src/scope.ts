import type { ParsedQuery } from './parse.ts';
import type { RecallScope } from './query.ts';

/** What a search may see, as SQL: only the filters that are given. */
export interface Scope {
  /** The values of $1 to $10, which the conditions read; a statement's own parameters begin at $11. */
  readonly values: readonly unknown[];
  /**
   * Whether a row of the view `memory.memories`, under its own name, may be seen at all: of the tenant, not
   * forgotten or superseded, inside the scope, with the phrases and without the words that the query
   * excludes. Every statement of a search applies it, before it ranks or limits.
   */
  readonly seen: string;
  /**
   * The same without the phrases: a turn around a hit need not have them. Whether a row has them is `phrased`.
   */
  readonly around: string;
  readonly phrased: string;
  /**
   * `seen` for a statement that finds rows by their keys, which include the tenant. `is true` keeps the
   * planner from also reading all rows of the tenant, a user or an agent besides those of a key.
   */
  readonly seenByKeys: string;
  /** Rows that an index returns directly: those of a user, agent or session. Not all of them are seen. */
  readonly indexed?: { readonly condition: string; readonly values: readonly unknown[] };
  /** Which filters are given: statements of one shape have one text, and so one name. */
  readonly shape: string;
  /** Whether the scope excludes any memories of the tenant. */
  readonly isNarrow: boolean;
  /** Whether it does so by their fields, besides phrases and exclusions, which take long to check. */
  readonly isFiltered: boolean;
}

interface Filter {
  readonly condition: (parameter: string) => string;
  readonly type: string;
  /** Whether an index leads to its rows. */
  readonly isIndexed?: true;
}

const WHEN = 'coalesce(memories.created_at, memories.revised_at)';
/** Lexemes in a row, one after the other, in the form of the row's language. */
const placeOf = (lexemes: string): string =>
  `select from jsonb_array_elements(${lexemes}) as asked
      where position(asked ->> memories.language in memories.lexemes)`;

/** Their values are $2 to $10, in this order. */
const FILTERS: readonly Filter[] = [
  { condition: (user) => `memories.scope_user = ${user}`, type: 'text', isIndexed: true },
  { condition: (agent) => `memories.scope_agent = ${agent}`, type: 'text', isIndexed: true },
  { condition: (session) => `memories.scope_session = ${session}`, type: 'text', isIndexed: true },
  { condition: (kinds) => `memories.kind = any (${kinds})`, type: 'text[]' },
  { condition: (since) => `${WHEN} >= ${since}`, type: 'timestamptz' },
  { condition: (until) => `${WHEN} < ${until}`, type: 'timestamptz' },
  { condition: (importance) => `memories.importance >= ${importance}`, type: 'float8' },
  { condition: (phrases) => `not exists (${placeOf(phrases)} = 0)`, type: 'jsonb' },
  { condition: (excluded) => `not exists (${placeOf(excluded)} > 0)`, type: 'jsonb' },
];

const PHRASES = 7;

const SEEN = `memories.content is not null
    and memories.forgotten_at is null and memories.superseded_at is null`;
const OF_TENANT = 'memories.tenant = $1';

/**
 * The one place that decides what a search may see. Only the given filters stand in the text: no cached
 * plan could use an index for a filter that reads "no user, or this one".
 */
export function scopeOf(
  tenant: string,
  scope: RecallScope,
  { phrases, exclusions }: Pick<ParsedQuery, 'phrases' | 'exclusions'>,
): Scope {
  const { user, agent, session, kinds, since, until, importance } = scope;
  const values = [
    user,
    agent,
    session,
    kinds?.length === 0 ? undefined : kinds,
    since,
    until,
    importance,
    phrases.length === 0 ? undefined : JSON.stringify(phrases),
    exclusions.length === 0 ? undefined : JSON.stringify(exclusions),
  ];
  const isAsked = (at: number): boolean => values[at] !== undefined;
  // The server must know the type of a parameter even where nothing reads it.
  const conditions = FILTERS.map(({ condition, type }, at) =>
    isAsked(at) ? condition(`$${at + 2}`) : `$${at + 2}::${type} is null`,
  );
  const isGiven = `$${PHRASES + 2}::${FILTERS[PHRASES]?.type} is not null`;
  // The statement must still give the parameter a type.
  const around = conditions.map((condition, at) =>
    at === PHRASES && isAsked(at) ? isGiven : condition,
  );
  const byKeys = conditions.map((condition, at) =>
    FILTERS[at]?.isIndexed === true ? `(${condition}) is true` : condition,
  );
  const indexed = FILTERS.flatMap(({ condition, isIndexed }, at) =>
    isIndexed === true && isAsked(at) ? [{ condition, value: values[at] }] : [],
  );
  return {
    values: [tenant, ...values.map((value) => value ?? null)],
    seen: [OF_TENANT, SEEN, ...conditions].join(' and '),
    around: [OF_TENANT, SEEN, ...around].join(' and '),
    phrased: conditions[PHRASES] ?? 'true',
    seenByKeys: [`(${OF_TENANT}) is true`, SEEN, ...byKeys].join(' and '),
    shape: FILTERS.map((_, at) => (isAsked(at) ? '1' : '0')).join(''),
    isNarrow: values.some((value) => value !== undefined),
    isFiltered: values.slice(0, PHRASES).some((value) => value !== undefined),
    ...(indexed.length === 0
      ? {}
      : {
          indexed: {
            condition: [
              OF_TENANT,
              ...indexed.map(({ condition }, at) => condition(`$${at + 2}`)),
            ].join(' and '),
            values: [tenant, ...indexed.map(({ value }) => value)],
          },
        }),
  };
}
