import { messageOf, pull } from '@memfleet/runtime';
import { RequestSize } from '../admission/request-size.ts';
import type { RedriveInput } from '../dead-letters/redrive-input.ts';
import type { Source, SourceRun } from './source.ts';
import { takeMessages } from './take-messages.ts';

/** Events that were redriven from the dead letters. */
export async function* redriveSource(run: SourceRun, redrive: RedriveInput): Source {
  const { settings, connection, admission, progress, log, inputs } = run;
  const signal = run.shutdown.stop;
  const { batch, linger: lingerMs } = settings;
  const size = new RequestSize(run.slots, { batch, lingerMs, sources: inputs + 1 });
  const room = async (): Promise<{ count: number }> => {
    size.end();
    const waiting = await redrive.waiting(signal);
    return { count: await admission.permits(size, signal, waiting) };
  };
  try {
    const batches = pull(redrive.consumer, {
      connection,
      batch,
      lingerMs,
      room,
      signal,
      onTrouble: (error) => {
        progress.troubled('pull', messageOf(error));
        log.warn({ reason: messageOf(error) }, 'could not pull, trying again');
      },
    });
    for await (const { messages } of batches) {
      yield* takeMessages(run, size, await redrive.originals(messages));
    }
  } finally {
    size.end();
  }
}
