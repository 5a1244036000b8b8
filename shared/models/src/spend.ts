import type { ModelUse } from '@memfleet/events';
import type { Queryable } from '@memfleet/runtime';
import { faultOfUse } from './model-use.ts';

/** Means all tenants together; no tenant can have this name. */
export const EVERY_TENANT = '*';

/** The cost of one call, or of an event's share of it, and the tenant who pays. */
export interface Spent {
  readonly tenant: string;
  readonly use: ModelUse;
}

/**
 * Adds spending to the current hour, by the database's clock. Call it at the end of the transaction that
 * records the results: all processes of a stage share the rows, which stay locked from here to the
 * commit. It locks them in the order of the tenants, so that two processes cannot deadlock.
 *
 * When the answer to a commit is lost and the transaction runs again, the spending counts twice: a budget
 * errs on the safe side.
 *
 * @returns what it has not added, since it is no amount: one such sum would be wrong for the rest of the hour
 */
export async function addSpend(
  db: Queryable,
  stage: string,
  spent: readonly Spent[],
): Promise<readonly Spent[]> {
  const uncounted = spent.filter(({ use }) => faultOfUse(use) !== undefined);
  const sums = new Map<string, { calls: number; input: number; output: number; cost: number }>();
  for (const { tenant, use } of spent.filter((one) => !uncounted.includes(one))) {
    const { calls, input_tokens: input, output_tokens: output } = use.usage;
    if (input + output + use.cost_usd === 0) continue;
    for (const name of [tenant, EVERY_TENANT]) {
      const sum = sums.get(name) ?? { calls: 0, input: 0, output: 0, cost: 0 };
      sums.set(name, {
        calls: sum.calls + calls,
        input: sum.input + input,
        output: sum.output + output,
        cost: sum.cost + use.cost_usd,
      });
    }
  }
  if (sums.size === 0) return uncounted;
  const of = (
    pick: (sum: { calls: number; input: number; output: number; cost: number }) => number,
  ) => [...sums.values()].map(pick);
  await db.query({
    name: 'spend-add',
    text: `insert into memfleet.spend as spend
        (stage, tenant, hour, calls, input_tokens, output_tokens, cost_usd)
      select $1, tenant, date_trunc('hour', now(), 'UTC'), calls, input_tokens, output_tokens, cost_usd
      from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::float8[])
        as spent (tenant, calls, input_tokens, output_tokens, cost_usd)
      order by tenant
      on conflict (stage, tenant, hour) do update
      set calls = spend.calls + excluded.calls,
          input_tokens = spend.input_tokens + excluded.input_tokens,
          output_tokens = spend.output_tokens + excluded.output_tokens,
          cost_usd = spend.cost_usd + excluded.cost_usd`,
    values: [
      stage,
      [...sums.keys()],
      of((sum) => sum.calls),
      of((sum) => sum.input),
      of((sum) => sum.output),
      of((sum) => sum.cost),
    ],
  });
  return uncounted;
}

/** Spending in the current hour and day (UTC), and how long each of them still lasts. */
export interface SpendSoFar {
  readonly hourTokens: number;
  readonly hourUsd: number;
  readonly dayTokens: number;
  readonly dayUsd: number;
  readonly hourLeftMs: number;
  readonly dayLeftMs: number;
}

/** @returns one entry per tenant */
export async function readSpend(
  db: Queryable,
  stage: string,
  tenants: readonly string[],
): Promise<Map<string, SpendSoFar>> {
  const { rows } = await db.query<SpendSoFar & { tenant: string }>({
    name: 'spend-read',
    text: `with clock as (
        select date_trunc('hour', now(), 'UTC') as hour, date_trunc('day', now(), 'UTC') as day
      )
      select asked.tenant,
        coalesce(sum(input_tokens + output_tokens) filter (where spend.hour = clock.hour), 0)::float8
          as "hourTokens",
        coalesce(sum(cost_usd) filter (where spend.hour = clock.hour), 0)::float8 as "hourUsd",
        coalesce(sum(input_tokens + output_tokens), 0)::float8 as "dayTokens",
        coalesce(sum(cost_usd), 0)::float8 as "dayUsd",
        (extract(epoch from clock.hour + interval '1 hour' - now()) * 1000)::float8 as "hourLeftMs",
        (extract(epoch from clock.day + interval '1 day' - now()) * 1000)::float8 as "dayLeftMs"
      from clock cross join unnest($2::text[]) as asked (tenant)
      left join memfleet.spend as spend
        on spend.stage = $1 and spend.tenant = asked.tenant and spend.hour >= clock.day
      group by asked.tenant, clock.hour, clock.day`,
    values: [stage, tenants],
  });
  return new Map(rows.map(({ tenant, ...spend }) => [tenant, spend]));
}
