import { RequestSize } from '../admission/request-size.ts';
import type { Source, SourceRun } from './source.ts';

/**
 * The events that wait by tenant: because the stage does not keep up, because a budget was spent, or because
 * either was true when the stage had another provider.
 */
export async function* queueSource({ settings, slots, fairness, shutdown }: SourceRun): Source {
  const size = new RequestSize(slots, { batch: settings.batch, lingerMs: 0, sources: 1 });
  try {
    for await (const messages of fairness.deliveries(size, shutdown.stop)) {
      yield messages.map((message) => size.hold(message));
    }
  } finally {
    size.end();
  }
}
