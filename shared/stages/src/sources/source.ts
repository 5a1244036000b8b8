import { messageOf, pull, type Pulled, type PullRequest, type Received } from '@memfleet/runtime';
import type { Consumer } from '@nats-io/jetstream';
import type { Admission } from '../admission/admission.ts';
import type { RequestSize } from '../admission/request-size.ts';
import type { TenantFairness } from '../fairness/tenant-fairness.ts';
import { type Job, tenantOf } from '../job.ts';
import type { Running } from '../pipeline/running.ts';

/** Batches of events that have a slot each. It ends with the run. */
export type Source = AsyncGenerator<readonly Job[]>;

/** What the sources of a stage share. */
export interface SourceRun extends Running {
  readonly admission: Admission;
  readonly fairness: TenantFairness;
  /** How many durables of the log the stage reads. */
  readonly inputs: number;
  /** Whether tenants may take turns; otherwise no event of the log goes into the queue. */
  readonly turns: boolean;
}

/** Pulls from a durable at the pace of the stage, until it stops. */
export function pullFor<Request extends PullRequest>(
  { settings, connection, progress, log, shutdown }: SourceRun,
  consumer: Consumer,
  how: { readonly room: () => Promise<Request>; readonly onEmpty?: () => void },
): AsyncGenerator<Pulled<Request>> {
  return pull(consumer, {
    connection,
    batch: settings.batch,
    lingerMs: settings.linger,
    signal: shutdown.stop,
    onTrouble: (error) => {
      progress.troubled('pull', messageOf(error));
      log.warn({ reason: messageOf(error) }, 'could not pull, trying again');
    },
    ...how,
  });
}

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
