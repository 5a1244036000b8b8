import { addSpend, type Spent } from '@memfleet/models';
import type { Logger, Queryable } from '@memfleet/runtime';
import { type EndedJob, tenantOf } from '../job.ts';
import type { StageIdentity } from '../stage.ts';

/** The cost of the calls that the outcomes report, by tenant. */
export function spentOn(items: readonly EndedJob[]): Spent[] {
  return items.flatMap(({ message, outcome }) => {
    const use = outcome.kind === 'skip' ? undefined : outcome.use;
    // Free calls need no transaction of their own.
    if (use === undefined) return [];
    const { input_tokens: input, output_tokens: output } = use.usage;
    const isFree = input + output + use.cost_usd === 0;
    return isFree ? [] : [{ tenant: tenantOf(message.subject), use }];
  });
}

/** The same costs as a log line, their only record where the table refuses. */
export function costsOf(spent: readonly Spent[]): Record<string, unknown>[] {
  return spent.map(({ tenant, use: { usage, cost_usd: costUsd } }) => ({
    tenant,
    inputTokens: usage.input_tokens,
    outputTokens: usage.output_tokens,
    costUsd,
  }));
}

/** Adds costs to the spending of the stage; one that is no amount is only in the log. */
export async function addCosts(
  db: Queryable,
  { stage, log }: { readonly stage: StageIdentity; readonly log: Logger },
  spent: readonly Spent[],
): Promise<void> {
  const uncounted = await addSpend(db, stage.name, spent);
  if (uncounted.length === 0) return;
  log.error(
    { spent: costsOf(uncounted) },
    'a handler reported a cost that is no amount: it is not counted',
  );
}
