import type { LaneStatus } from '@memfleet/projections';
import { countStored } from '@memfleet/runtime';
import type { Fleet } from '../fleet.ts';
import { silenceText, silentAfterMs, withReason } from './silence.ts';

/** A lane with its lag, before it is grouped under its projection. */
export interface LaneLine extends LaneStatus {
  readonly lagEvents: number;
  readonly lagSeconds: number;
}

export interface LaneEntry {
  readonly lane: number;
  readonly owner: string | null;
  readonly epoch: number;
  readonly position: number;
  readonly lagEvents: number;
  readonly lagSeconds: number;
  readonly state: LaneStatus['state'];
  readonly cause: string | null;
  /** Seconds it has been in that state. */
  readonly stateSeconds: number;
  readonly parkedKeys: number;
  readonly parkedEvents: number;
}

export interface ProjectionStatus {
  readonly projection: string;
  readonly version: number;
  readonly generation: number;
  readonly generationState: LaneStatus['generationState'];
  readonly lanes: readonly LaneEntry[];
}

/** Computes the lag of a lane from its checkpoint, which is the truth, not from its durable. */
export async function laneLine(
  { config, connection }: Fleet,
  lane: LaneStatus,
  now: number,
  refusal?: string,
): Promise<LaneLine> {
  const { stream, root } = config.log;
  const subject = lane.partition === undefined ? `${root}.>` : `${root}.${lane.partition}.>`;
  const { count, first } = await countStored(connection, stream, {
    from: lane.position + 1,
    subject,
  });
  const seconds = first === undefined ? 0 : Math.max(0, (now - first.time.getTime()) / 1_000);
  return {
    ...lane,
    ...heardOf(lane, silentAfterMs(config), refusal),
    lagEvents: count,
    lagSeconds: Math.round(seconds * 10) / 10,
  };
}

/** A lane whose worker no longer reports does not count as running, even if its last report said so. */
function heardOf(
  { owner, state, cause, silentSeconds }: LaneStatus,
  limitMs: number,
  refusal: string | undefined,
): Partial<Pick<LaneStatus, 'state' | 'cause' | 'stateSeconds'>> {
  if (owner === undefined) return { cause: cause && withReason(cause, refusal) };
  if (state === 'halted' || silentSeconds * 1_000 <= limitMs) return {};
  return {
    state: 'troubled',
    cause: silenceText(owner, silentSeconds, refusal),
    stateSeconds: silentSeconds,
  };
}

/** Groups lanes under their projections, each generation separately, in the given order. */
export function projectionsOf(lines: readonly LaneLine[]): ProjectionStatus[] {
  const groups = Map.groupBy(lines, ({ projection, generation }) => `${projection}/${generation}`);
  return [...groups.values()].flatMap((lanes) => {
    const [first] = lanes;
    if (first === undefined) return [];
    const { projection, version, generation, generationState } = first;
    return [{ projection, version, generation, generationState, lanes: lanes.map(entryOf) }];
  });
}

function entryOf(line: LaneLine): LaneEntry {
  const { lane, epoch, position, lagEvents, lagSeconds, state, parkedKeys, parkedEvents } = line;
  return {
    lane,
    owner: line.owner ?? null,
    epoch,
    position,
    lagEvents,
    lagSeconds,
    state,
    cause: line.cause ?? null,
    stateSeconds: Math.round(line.stateSeconds * 10) / 10,
    parkedKeys,
    parkedEvents,
  };
}
