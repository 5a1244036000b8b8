import type { ParsedQuery } from './parse.ts';
import type { RecallScope } from './query.ts';

const SEEN = `memories.content is not null
    and memories.forgotten_at is null and memories.superseded_at is null
    and ($2::text is null or memories.scope_user = $2)
    and ($3::text is null or memories.scope_agent = $3)
    and ($4::text is null or memories.scope_session = $4)
    and ($5::text[] is null or memories.kind = any ($5))
    and ($6::timestamptz is null or coalesce(memories.created_at, memories.revised_at) >= $6)
    and ($7::timestamptz is null or coalesce(memories.created_at, memories.revised_at) < $7)
    and ($8::float8 is null or memories.importance >= $8)
    and ($9::jsonb is null or not exists (
      select from jsonb_array_elements($9) as phrase
      where position(phrase ->> memories.language in memories.lexemes) = 0))
    and ($10::jsonb is null or not exists (
      select from jsonb_array_elements($10) as excluded
      where position(excluded ->> memories.language in memories.lexemes) > 0))`;

/**
 * Whether a row of the view `memory.memories`, under its own name, may be seen at all: of the tenant,
 * not forgotten or superseded, inside the scope, with the phrases and without the words that the query
 * excludes. The one place that says so: every statement of a search has it, before it ranks or limits.
 */
export const IN_SCOPE = `memories.tenant = $1 and ${SEEN}`;

/**
 * The same for a statement that finds rows by their keys, which have the tenant in them. `is true` keeps
 * the planner from reading all rows of the tenant beside those of a key.
 */
export const IN_SCOPE_BY_KEYS = `(memories.tenant = $1) is true and ${SEEN}`;

/** The values of $1 to $10, which `IN_SCOPE` reads; a statement's own parameters begin at $11. */
export function scopeValues(
  tenant: string,
  scope: RecallScope,
  { phrases, exclusions }: Pick<ParsedQuery, 'phrases' | 'exclusions'>,
): unknown[] {
  const { user, agent, session, kinds, since, until, importance } = scope;
  return [
    tenant,
    user ?? null,
    agent ?? null,
    session ?? null,
    kinds === undefined || kinds.length === 0 ? null : kinds,
    since ?? null,
    until ?? null,
    importance ?? null,
    phrases.length === 0 ? null : JSON.stringify(phrases),
    exclusions.length === 0 ? null : JSON.stringify(exclusions),
  ];
}

/** Whether the scope leaves anything of the tenant out. */
export function isNarrow(values: readonly unknown[]): boolean {
  return values.slice(1).some((value) => value !== null);
}
