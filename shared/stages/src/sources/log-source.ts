import { messageOf, pull, type PullRequest } from '@memfleet/runtime';
import type { Consumer } from '@nats-io/jetstream';
import { RequestSize } from '../admission/request-size.ts';
import type { Source, SourceRun } from './source.ts';
import { takeMessages } from './take-messages.ts';

interface LogRequest extends PullRequest {
  /** True for what was requested without slots, to be put into the tenant queue. */
  readonly isAhead: boolean;
}

/**
 * The events that a durable of the log delivers, in its order. While tenants take turns it yields nothing
 * and reads ahead: the events go into the tenant queue, which another source reads.
 */
export async function* logSource(run: SourceRun, consumer: Consumer): Source {
  const { settings, connection, admission, fairness, progress, log, inputs } = run;
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
    const batches = pull(consumer, {
      connection,
      batch,
      lingerMs,
      room,
      signal,
      onEmpty: () => fairness.nothingCame(durable),
      onTrouble: (error) => {
        progress.troubled('pull', messageOf(error));
        log.warn({ reason: messageOf(error) }, 'could not pull, trying again');
      },
    });
    for await (const { messages, request } of batches) {
      // At the end, what was requested to be queued is given back to the broker.
      if (request.isAhead && !signal.aborted) await fairness.putAside(messages);
      else yield* takeMessages(run, size, messages);
    }
  } finally {
    size.end();
  }
}
