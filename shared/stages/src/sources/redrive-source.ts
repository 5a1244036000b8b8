import { RequestSize } from '../admission/request-size.ts';
import type { RedriveInput } from '../dead-letters/redrive-input.ts';
import { pullFor, type Source, type SourceRun, takeMessages } from './source.ts';

/** Events that were redriven from the dead letters. */
export async function* redriveSource(run: SourceRun, redrive: RedriveInput): Source {
  const { settings, admission, inputs } = run;
  const signal = run.shutdown.stop;
  const { batch, linger: lingerMs } = settings;
  const size = new RequestSize(run.slots, { batch, lingerMs, sources: inputs + 1 });
  const room = async (): Promise<{ count: number }> => {
    size.end();
    const waiting = await redrive.waiting(signal);
    return { count: await admission.permits(size, signal, waiting) };
  };
  try {
    for await (const { messages } of pullFor(run, redrive.consumer, { room })) {
      yield* takeMessages(run, size, await redrive.originals(messages));
    }
  } finally {
    size.end();
  }
}
