import {
  appliedId,
  type AppliedKey,
  Fold,
  type ProjectionWriter,
  type WriteStep,
} from '@memfleet/projections';
import { UnwritableValue } from '@memfleet/runtime';
import type { ParkedEvent, ParkedKeys } from './parked-keys.ts';
import type { ReadEvent } from './read-event.ts';

/** A stretch of the lane, ready to be written. */
export interface Batch {
  readonly parking: readonly ParkedEvent[];
  /** The version of the parked keys it was made with. */
  readonly parkedVersion: number;
  /** Writes all but what was applied before. */
  readonly rows: WriteStep;
}

interface Once {
  readonly key: AppliedKey;
  readonly event: ReadEvent;
}

interface Applying {
  readonly applying: readonly ReadEvent[];
  readonly once: readonly Once[];
  /** Second copies within the batch. */
  readonly copies: ReadonlySet<ReadEvent>;
}

/**
 * Folds events into rows and rows into parameters, before the transaction begins.
 * @throws UnwritableValue
 */
export function makeBatch(
  events: readonly ReadEvent[],
  writer: ProjectionWriter,
  parked: ParkedKeys,
): Batch {
  const parking: ParkedEvent[] = [];
  const applying = events.filter((event) => {
    const reason = reasonToPark(event, parked);
    if (reason === undefined) return event.reading.kind === 'operations';
    const { tenant, memory, sequence } = event;
    parking.push({ tenant, memory, sequence, reason });
    return false;
  });
  const { once, copies } = apartFromCopies(applying);
  const rows = writer.prepare(foldOf(applying, copies));
  const parkedVersion = parked.version;
  if (once.length === 0) return { parking, parkedVersion, rows };
  return { parking, parkedVersion, rows: onlyOnce(writer, { applying, once, copies }, rows) };
}

/** A function of its own: it keeps the events until they are written, which most batches need not. */
function onlyOnce(
  writer: ProjectionWriter,
  { applying, once, copies }: Applying,
  all: WriteStep,
): WriteStep {
  const keys = once.map(({ key }) => key);
  return {
    fresh: all.fresh && [writer.applied.claimAll(keys), ...all.fresh],
    write: async (client) => {
      const fresh = await writer.applied.claim(client, keys);
      if (fresh.size === once.length) return await all.write(client);
      // Copies of events applied long ago are rare: only then is the batch folded a second time.
      const stale = once.filter(({ key }) => !fresh.has(appliedId(key)));
      const left = new Set([...copies, ...stale.map(({ event }) => event)]);
      return await writer.prepare(foldOf(applying, left)).write(client);
    },
  };
}

/** An event that cannot be read parks its memory immediately; later events of the memory wait. */
function reasonToPark(
  { tenant, memory, sequence, reading }: ReadEvent,
  parked: ParkedKeys,
): string | undefined {
  if (reading.kind === 'unreadable') {
    parked.add(tenant, memory, { sequence, reason: reading.reason });
  }
  // An event without effect need not wait.
  if (reading.kind === 'irrelevant') return undefined;
  return parked.reasonFor(tenant, memory, sequence);
}

/** Events that must be applied exactly once, each with its key; and second copies within the batch. */
function apartFromCopies(applying: readonly ReadEvent[]): {
  once: Once[];
  copies: ReadonlySet<ReadEvent>;
} {
  const seen = new Set<string>();
  const once: Once[] = [];
  const copies = new Set<ReadEvent>();
  for (const event of applying) {
    const { reading, memory } = event;
    if (reading.kind !== 'operations' || reading.onceKey === undefined) continue;
    const key = { event_key: reading.onceKey, memory };
    const id = appliedId(key);
    if (seen.has(id)) copies.add(event);
    else once.push({ key, event });
    seen.add(id);
  }
  return { once, copies };
}

function foldOf(applying: readonly ReadEvent[], without: ReadonlySet<ReadEvent>): Fold {
  const fold = new Fold();
  for (const event of applying) {
    if (event.reading.kind !== 'operations' || without.has(event)) continue;
    for (const operation of event.reading.operations) fold.add(operation);
  }
  return fold;
}

/**
 * Whether the rows caused an error, rather than the database: PostgreSQL's classes for data (22),
 * constraints (23) and limits (54). No event is to blame for anything else, such as a missing table.
 */
export function isFaultOfEvents(error: unknown): boolean {
  if (error instanceof UnwritableValue) return true;
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^(?:22|23|54)/.test(code) && code.length === 5;
}
