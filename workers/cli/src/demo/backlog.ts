import { setTimeout as delay } from 'node:timers/promises';
import { type FleetConfig, type JetStreamManager, streamInfo } from '@memfleet/runtime';
import { CommandError } from '../failure.ts';
import type { ProgressBar } from '../progress-bar.ts';

const ASK_EVERY_MS = 150;
/** Far longer than any pause of a healthy fleet with local providers. */
const STALLED_AFTER_MS = 60_000;

/** The progress of all durables of the log, including on derived events. */
interface Backlog {
  readonly lastSequence: number;
  readonly waiting: number;
  readonly done: number;
  /** Waiting events by stage; those of the lanes under `projection`. */
  readonly byStage: ReadonlyMap<string, number>;
}

export interface Waiting {
  readonly bar: ProgressBar;
  readonly signal: AbortSignal;
  /** Throws when a worker has ended, so that no progress is possible. */
  readonly checkAlive?: () => void;
}

/**
 * Waits until every stage and every lane has finished the whole log, including events that the stages
 * append.
 * @throws CommandError when the fleet makes no progress any more
 */
export async function caughtUp(
  jsm: JetStreamManager,
  config: FleetConfig,
  { bar, signal, checkAlive }: Waiting,
): Promise<void> {
  let movedAt = performance.now();
  let before: Backlog | undefined;
  for (;;) {
    signal.throwIfAborted();
    checkAlive?.();
    const now = await backlogOf(jsm, config);
    // A stage appends before it acks: if nothing was appended meanwhile, nothing was in flight.
    if (now.waiting === 0 && now.lastSequence === before?.lastSequence) return;
    bar.update(now.done, describe(now));
    if (now.done !== before?.done || now.lastSequence !== before.lastSequence) {
      movedAt = performance.now();
    } else if (performance.now() - movedAt > STALLED_AFTER_MS) {
      throw new CommandError(
        `no progress for ${STALLED_AFTER_MS / 1_000} s: ${describe(now)}`,
        'The logs of the workers say why.',
      );
    }
    before = now;
    await delay(ASK_EVERY_MS, undefined, { signal });
  }
}

async function backlogOf(jsm: JetStreamManager, config: FleetConfig): Promise<Backlog> {
  const { state } = await streamInfo(jsm, config.log.stream);
  const stages = new Map(
    Object.entries(config.stages).flatMap(([stage, { inputs }]) =>
      Object.values(inputs).map(({ durable }) => [durable, stage] as const),
    ),
  );
  const byStage = new Map<string, number>();
  let waiting = 0;
  let done = 0;
  for await (const info of jsm.consumers.list(config.log.stream)) {
    const held = info.num_pending + info.num_ack_pending;
    const stage = stages.get(info.name) ?? 'projection';
    byStage.set(stage, (byStage.get(stage) ?? 0) + held);
    waiting += held;
    done += info.delivered.consumer_seq - info.num_ack_pending;
  }
  return { lastSequence: state.last_seq, waiting, done, byStage };
}

function describe({ byStage }: Backlog): string {
  const parts = [...byStage].map(([stage, waiting]) => `${stage} ${waiting}`);
  return `waiting: ${parts.join(', ')}`;
}
