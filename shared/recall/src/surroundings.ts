import type { Queryable } from '@memfleet/runtime';
import type { Neighbours } from './query.ts';
import type { ContextTurn } from './result.ts';
import type { Scope } from './scope.ts';

/** A turn of a session beside another one. */
export interface Neighbour {
  readonly memory: string;
  /** 1 for the next turn. */
  readonly distance: number;
}

/** The turns around a hit, in the order in which they were said. */
export interface Context {
  readonly before: ContextTurn[];
  readonly after: ContextTurn[];
}

export interface Surroundings {
  readonly speaker: ReadonlyMap<string, string | null>;
  readonly neighbours: ReadonlyMap<string, readonly Neighbour[]>;
}

/** Which turns to look for. */
interface Around {
  readonly memories: readonly string[];
  readonly scope: Scope;
  readonly which: Neighbours;
  /** How many on either side of a memory. */
  readonly reach: number;
}

interface SurroundingsRow {
  readonly memory: string;
  readonly speaker: string | null;
  /** Null for a memory without neighbours; the row then gives its own speaker. */
  readonly beside: string | null;
  readonly distance: number | null;
  /** Whether the neighbour has the phrases of the query, without which it is no hit. */
  readonly answers: boolean;
}

/**
 * Which turns that may answer precede and follow the given memories, up to `reach` on either side, and who
 * said each. Forgotten and superseded turns and turns outside the scope are skipped: the next ones count
 * instead. A turn without the phrases of the query does not answer, but keeps its place.
 */
export async function surroundingsOf(db: Queryable, search: Around): Promise<Surroundings> {
  const { memories, scope, which, reach } = search;
  const speaker = new Map<string, string | null>();
  const neighbours = new Map<string, Neighbour[]>();
  if (memories.length === 0) return { speaker, neighbours };
  const { rows } = await db.query<SurroundingsRow>({
    name: `recall-surroundings-${scope.shape}`,
    text: surroundingsSql(scope),
    values: [...scope.values, memories, which, which === 'off' ? 0 : reach],
  });
  for (const { memory, speaker: name, beside, distance, answers } of rows) {
    speaker.set(beside ?? memory, name);
    if (beside === null || distance === null || !answers) continue;
    const known = neighbours.get(memory);
    const neighbour = { memory: beside, distance };
    if (known === undefined) neighbours.set(memory, [neighbour]);
    else known.push(neighbour);
  }
  return { speaker, neighbours };
}

/** The contents of the turns around each memory; none with `off`. */
export async function contextOf(db: Queryable, search: Around): Promise<Map<string, Context>> {
  const { memories, scope, which, reach } = search;
  const contexts = new Map<string, Context>();
  if (memories.length === 0 || which === 'off') return contexts;
  const { rows } = await db.query<ContextRow>({
    name: `recall-context-${scope.shape}`,
    text: contextSql(scope),
    values: [...scope.values, memories, which, reach],
  });
  for (const { hit, isBefore, memory, content, when, role, name } of rows) {
    const context = contexts.get(hit) ?? { before: [], after: [] };
    contexts.set(hit, context);
    context[isBefore ? 'before' : 'after'].push({ memory, content, when, speaker: { role, name } });
  }
  return contexts;
}

interface ContextRow {
  readonly hit: string;
  readonly isBefore: boolean;
  readonly memory: string;
  readonly content: string;
  readonly when: Date;
  readonly role: string | null;
  readonly name: string | null;
}

/**
 * A row that takes part: a message, a note with a named speaker, or any at all. A memory distilled from a
 * conversation, such as a fact, stands alone and repeats what its neighbours say. Reads $12.
 */
const IS_TURN = `($12::text = 'all' or memories.kind = 'message' or (memories.kind = 'note'
  and (memories.speaker_name is not null or memories.speaker_role <> 'unknown')))`;

/** The turns of $11. */
const GIVEN = `given as materialized (
  select found.*
  from unnest($11::text[]) as wanted (memory) cross join lateral (
    select memories.memory, memories.scope_session, memories.created_at, memories.position,
      memories.speaker_name, ${IS_TURN} as is_turn
    from memory.memories where memories.tenant = $1 and memories.memory = wanted.memory
    offset 0
  ) as found
)`;

/** Up to $13 turns before and after a given one, nearest first. */
const beside = ({ around }: Scope, columns: string): string => `(
  (select false as is_after, ${columns},
    (row_number() over (order by created_at desc, position desc))::int as distance
  from memory.memories
  where memories.scope_session = given.scope_session and ${IS_TURN}
    and (memories.created_at, memories.position) < (given.created_at, given.position)
    and ${around}
  order by memories.created_at desc, memories.position desc
  limit $13)
  union all
  (select true as is_after, ${columns},
    (row_number() over (order by created_at, position))::int as distance
  from memory.memories
  where memories.scope_session = given.scope_session and ${IS_TURN}
    and (memories.created_at, memories.position) > (given.created_at, given.position)
    and ${around}
  order by memories.created_at, memories.position
  limit $13)
)`;

/** $11 memories, $12 which take part, $13 how many on either side. */
const surroundingsSql = (scope: Scope): string => `
with ${GIVEN}
select memory, speaker_name as speaker, null as beside, null::int as distance, true as answers
from given
union all
select given.memory, found.speaker_name, found.memory, found.distance, found.answers
from given cross join lateral ${beside(
  scope,
  `memories.memory, memories.speaker_name, (${scope.phrased}) as answers`,
)} as found
where given.is_turn and $13 > 0`;

/** The same parameters. */
const contextSql = (scope: Scope): string => `
with ${GIVEN}
select given.memory as hit, not found.is_after as "isBefore", found.memory, found.content,
  found.created_at as "when", found.speaker_role as role, found.speaker_name as name
from given cross join lateral ${beside(
  scope,
  `memories.memory, memories.content, memories.created_at, memories.position,
    memories.speaker_role, memories.speaker_name`,
)} as found
where given.is_turn
order by found.created_at, found.position`;
