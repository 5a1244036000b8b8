/** Everything observable from outside in a run of a stage whose workers are killed. */
export interface History {
  /** The published events. */
  readonly events: readonly { readonly id: string; readonly content: string }[];
  /** The dedupe table. */
  readonly rows: readonly Row[];
  /** Derived events in the log, each with the id of the event that caused it. */
  readonly derived: readonly { readonly id: string; readonly cause: string }[];
  /** The calls to the model service, and the process of each. */
  readonly calls: readonly Call[];
  /** Every kill and every stop of a process. */
  readonly ends: readonly End[];
  readonly deadLetters: number;
  /** The rest on the durable and in the tenant queue. */
  readonly left: number;
  /** Deliveries beyond the first of each event. */
  readonly redeliveries: number;
}

export interface Row {
  readonly eventId: string;
  readonly state: string;
  readonly attempts: number;
  readonly abandoned: number;
  readonly isPublished: boolean;
  /** Ms since 1970; NaN when nothing was recorded. */
  readonly recordedAt: number;
}

export interface Call {
  readonly process: string;
  readonly contents: readonly string[];
  /** Ms since 1970. */
  readonly at: number;
}

export interface End {
  readonly process: string;
  /** A crash point, 'in-service' (during a call to the service) or 'stop' (SIGSTOP). */
  readonly how: string;
  readonly at: number;
  /** When a stopped process continued. */
  readonly until?: number;
}

/** A stopped process may get this far before it checks its leases again. */
const WAKING_MS = 1_500;
const NAMED = 5;

/** Problems of a run, one sentence each; none when every event has exactly one effect. */
export function problemsOf(history: History): string[] {
  const { events, deadLetters, left } = history;
  const problems = [...rowProblems(history), ...effectProblems(history), ...callProblems(history)];
  if (deadLetters > 0) problems.push(`${deadLetters} events are parked`);
  if (left > 0) problems.push(`${left} messages are left`);
  if (events.length === 0) problems.push('there was nothing to do');
  return problems;
}

function rowProblems({ events, rows }: History): string[] {
  const byEvent = Map.groupBy(rows, ({ eventId }) => eventId);
  const published = new Set(events.map(({ id }) => id));
  const missing = events.filter(({ id }) => !byEvent.has(id)).map(({ id }) => id);
  const doubled = [...byEvent].filter(([, found]) => found.length > 1).map(([id]) => id);
  const foreign = [...byEvent.keys()].filter((id) => !published.has(id));
  const unfinished = rows.filter(({ state, isPublished }) => state !== 'done' || !isPublished);
  const tried = rows.filter(({ attempts }) => attempts > 0);
  return [
    ...named('no row for', missing),
    ...named('more than one row for', doubled),
    ...named('a row of nothing that was published:', foreign),
    ...named(
      'not done and published:',
      unfinished.map(({ eventId }) => eventId),
    ),
    ...named(
      'a try was counted against',
      tried.map(({ eventId }) => eventId),
    ),
  ];
}

function effectProblems({ events, derived }: History): string[] {
  const byCause = Map.groupBy(derived, ({ cause }) => cause);
  const ids = Map.groupBy(derived, ({ id }) => id);
  const known = new Set(events.map(({ id }) => id));
  return [
    ...named(
      'no effect of',
      events.filter(({ id }) => !byCause.has(id)).map(({ id }) => id),
    ),
    ...named(
      'more than one effect of',
      [...byCause].filter(([, found]) => found.length > 1).map(([id]) => id),
    ),
    ...named(
      'the same id more than once in the log:',
      [...ids].filter(([, found]) => found.length > 1).map(([id]) => id),
    ),
    ...named(
      'an effect of nothing that was published:',
      [...byCause.keys()].filter((id) => !known.has(id)),
    ),
  ];
}

/**
 * A content is paid for once, plus once for each process that was killed or stopped between its call and
 * the record of a result.
 */
function callProblems({ events, rows, calls, ends }: History): string[] {
  const recorded = new Map(rows.map(({ eventId, recordedAt }) => [eventId, recordedAt]));
  const firstRecord = new Map<string, number>();
  for (const { id, content } of events) {
    const at = recorded.get(id) ?? Number.NaN;
    firstRecord.set(content, Math.min(at, firstRecord.get(content) ?? Number.POSITIVE_INFINITY));
  }
  const endsOf = Map.groupBy(ends, ({ process }) => process);
  const isLost = (process: string, at: number, content: string): boolean =>
    (endsOf.get(process) ?? []).some(
      (end) =>
        end.at <= (firstRecord.get(content) ?? Number.NaN) &&
        at <= (end.until === undefined ? end.at : end.until + WAKING_MS),
    );
  const problems: string[] = [];
  for (const [content, asked] of askedFor(calls)) {
    if (!firstRecord.has(content)) {
      problems.push(`called for nothing that was published: ${content}`);
    }
    const losers = asked.filter(({ process, at }) => isLost(process, at, content));
    const allowed = 1 + new Set(losers.map(({ process }) => process)).size;
    if (asked.length > allowed) {
      const who = asked.map(({ process }) => process).join(', ');
      problems.push(`${asked.length} calls for ${content} (by ${who}) where ${allowed} may be`);
    }
  }
  return problems;
}

function askedFor(
  calls: readonly Call[],
): Map<string, { readonly process: string; readonly at: number }[]> {
  const all = calls.flatMap(({ process, contents, at }) =>
    contents.map((content) => ({ content, process, at })),
  );
  return Map.groupBy(all, ({ content }) => content);
}

function named(what: string, which: readonly string[]): string[] {
  if (which.length === 0) return [];
  const more = which.length > NAMED ? ` and ${which.length - NAMED} more` : '';
  return [`${what} ${which.slice(0, NAMED).join(', ')}${more}`];
}

/** The disturbances of a run: a run without any proves nothing. */
export interface Sightings {
  readonly events: number;
  readonly contents: number;
  readonly kills: Readonly<Record<string, number>>;
  readonly redeliveries: number;
  /** Claims that expired silently. */
  readonly abandoned: number;
  readonly callsForContents: number;
  /** Repeated calls. */
  readonly repeatedCalls: number;
}

export function sightingsOf({ events, rows, calls, ends, redeliveries }: History): Sightings {
  const kills: Record<string, number> = {};
  for (const { how } of ends) kills[how] = (kills[how] ?? 0) + 1;
  const asked = calls.flatMap(({ contents }) => contents);
  return {
    events: events.length,
    contents: new Set(events.map(({ content }) => content)).size,
    kills,
    redeliveries,
    abandoned: rows.reduce((sum, { abandoned }) => sum + abandoned, 0),
    callsForContents: asked.length,
    repeatedCalls: asked.length - new Set(asked).size,
  };
}
