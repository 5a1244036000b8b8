import { given, type Statement } from './statement.ts';

/**
 * Records where the log holds copies of the given events. The first copy is the earliest that is known:
 * lanes, and redrives of parked memories, meet copies in any order. When an earlier first copy turns up,
 * the later ones are recorded and compared against it again. Two writers of the same copies write them
 * in the same order.
 */
export function copiesStatement(schema: string, table: string): Statement {
  const columns = [
    ['event_key', 'uuid'],
    ['sequence', 'bigint'],
  ] as const;
  const text = `with met as materialized (
      select given.event_key::uuid as event_key, given.sequence from ${given(columns)}
    ), standing as (
      select event_key, sequence from met
      union
      select event_key, stored.sequence from met join ${schema}.${table} as stored using (event_key)
    ), firsts as materialized (
      select event_key, min(sequence) as sequence from standing group by event_key
    ), sighted as (
      select event_key, sequence from standing
      union
      select event_key, noted.sequence
      from met join memfleet.event_copies as noted using (event_key)
    )
    insert into memfleet.event_copies as noted (event_key, sequence, first_sequence)
    select event_key, sighted.sequence, firsts.sequence
    from sighted join firsts using (event_key)
    where sighted.sequence > firsts.sequence
    order by sighted.sequence
    on conflict (event_key, sequence) do update
      set first_sequence = excluded.first_sequence, verdict = null, judged_at = null,
        acknowledged_at = null
      where excluded.first_sequence < noted.first_sequence`;
  return { name: `${schema}.${table}-copies`, text, columns };
}
