import type { MemoryKind } from '@memfleet/events';
import type { Language } from '@memfleet/projections';
import type { Queryable } from '@memfleet/runtime';
import type { Scope } from './scope.ts';

/** What the database knows about a memory, apart from its place in the rankings. */
export interface Described {
  readonly memory: string;
  readonly content: string;
  readonly language: Language;
  readonly kind: MemoryKind | null;
  readonly importance: number | null;
  readonly user: string | null;
  readonly agent: string | null;
  readonly session: string | null;
  readonly role: string | null;
  readonly name: string | null;
  readonly when: Date;
  readonly validFrom: Date | null;
  readonly revisedAt: Date | null;
  readonly facts: readonly string[];
  /** The fact nearest to the query. */
  readonly fact: string | null;
}

/**
 * Describes the memories that still exist and are in the scope: some may have been forgotten meanwhile. Facts
 * that were extracted before the content was revised are not those of its content.
 */
export async function describe(
  db: Queryable,
  scope: Scope,
  wanted: readonly { readonly memory: string; readonly fact: number | undefined }[],
): Promise<Map<string, Described>> {
  if (wanted.length === 0) return new Map();
  const { rows } = await db.query<Described>({
    name: `recall-describe-${scope.shape}`,
    text: `select memories.memory, memories.content, memories.language, memories.kind,
        memories.importance, memories.scope_user as "user", memories.scope_agent as agent,
        memories.scope_session as session, memories.speaker_role as role,
        memories.speaker_name as name, coalesce(memories.created_at, memories.revised_at) as "when",
        memories.valid_from as "validFrom", memories.revised_at as "revisedAt",
        array(select facts.text from memory.facts where facts.tenant = $1
          and facts.memory = memories.memory and facts.sequence >= memories.content_sequence
          order by ordinal) as facts,
        (select facts.text from memory.facts where facts.tenant = $1
          and facts.memory = memories.memory and facts.ordinal = wanted.fact) as fact
      from unnest($11::text[], $12::int[]) as wanted (memory, fact)
      cross join lateral (
        select * from memory.memories where memories.memory = wanted.memory and ${scope.seen} offset 0
      ) as memories`,
    values: [
      ...scope.values,
      wanted.map(({ memory }) => memory),
      wanted.map(({ fact }) => fact ?? null),
    ],
  });
  return new Map(rows.map((row) => [row.memory, row]));
}
