import { given, type Statement } from './statement.ts';

/**
 * Notes where the log has events again, of which some are given. The first of an event is the earliest
 * that is known, whichever is met first: lanes, and a parked memory that is redriven, meet them in any
 * order. What was noted against a later one is noted anew, and compared anew. Two who note the same
 * at once do it in one order.
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
