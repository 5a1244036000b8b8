import type { PullRequest } from '@memfleet/runtime';
import type { Consumer } from '@nats-io/jetstream';
import { RequestSize } from '../admission/request-size.ts';
import { pullFor, type Source, type SourceRun, takeMessages } from './source.ts';

interface LogRequest extends PullRequest {
  /** True for what was requested without slots, to be put into the tenant queue. */
  readonly isAhead: boolean;
}

/**
 * The events that a durable of the log delivers, in its order. While tenants take turns it yields nothing
 * and reads ahead: the events go into the tenant queue, which another source reads.
 */
export async function* logSource(run: SourceRun, consumer: Consumer): Source {
  const { settings, admission, fairness, inputs } = run;
  const signal = run.shutdown.stop;
  const { name: durable } = await consumer.info(true);
  const { batch, linger: lingerMs } = settings;
  // The redrive queue and the tenant queue request nothing while they are empty, as they nearly always are.
  const size = new RequestSize(run.slots, { batch, lingerMs, sources: inputs });
  const room = async (): Promise<LogRequest> => {
    size.end();
    await fairness.patience(signal);
    const isAhead = fairness.areTurnsTaken;
    const count = isAhead
      ? await fairness.roomAhead(signal)
      : await admission.permits(size, signal);
    return { count, isAhead };
  };
  try {
    const onEmpty = (): void => fairness.nothingCame(durable);
    for await (const { messages, request } of pullFor(run, consumer, { room, onEmpty })) {
      // At the end, what was requested to be queued is given back to the broker.
      if (request.isAhead && !signal.aborted) await fairness.putAside(messages);
      else yield* takeMessages(run, size, messages);
    }
  } finally {
    size.end();
  }
}
