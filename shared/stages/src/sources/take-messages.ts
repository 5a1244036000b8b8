import type { Received } from '@memfleet/runtime';
import type { RequestSize } from '../admission/request-size.ts';
import { tenantOf } from '../job.ts';
import type { Source, SourceRun } from './source.ts';

/** Gives delivered events their slots, except those of tenants whose budget is spent: they are queued. */
export async function* takeMessages(
  { turns, admission, fairness, shutdown }: SourceRun,
  size: RequestSize,
  messages: readonly Received[],
): Source {
  const isAside = ({ subject }: Received): boolean =>
    turns && admission.isSpent(tenantOf(subject)) && !shutdown.stop.aborted;
  const { aside = [], now = [] } = Object.groupBy(messages, (message) =>
    isAside(message) ? 'aside' : 'now',
  );
  yield now.map((message) => size.hold(message));
  fairness.delivered(messages);
  if (aside.length > 0) await fairness.putAside(aside);
}
