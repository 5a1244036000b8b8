import type { StoredLetter } from '@memfleet/stages';
import { printable } from '../words.ts';

/** A dead letter as one line of JSON; the field names are stable. */
export function letterRecord(letter: StoredLetter): Record<string, unknown> {
  return {
    id: letter.id,
    stage: letter.stage,
    stageVersion: letter.stageVersion ?? null,
    tenant: letter.tenant,
    memory: letter.memory,
    eventId: letter.eventId ?? null,
    correlationId: letter.correlationId ?? null,
    reason: letter.reason,
    message: letter.message,
    attempts: letter.attempts,
    redrives: letter.redrives,
    logSequence: letter.logSequence ?? null,
    logSubject: letter.logSubject ?? null,
    parkedAt: letter.parkedAt.toISOString(),
    bytes: letter.isInLog ? null : letter.data.length,
  };
}

export const LETTER_HEADING = line([
  'id',
  'parked at',
  'stage',
  'reason',
  'tries',
  'memory',
  'message',
]);

/** Uses fixed widths: a table that fits its widest cell would have to buffer all letters. */
export function letterLine(letter: StoredLetter): string {
  return line([
    String(letter.id),
    letter.parkedAt.toISOString(),
    letter.stage,
    printable(letter.reason),
    String(letter.attempts),
    `${letter.tenant}/${letter.memory}`,
    printable(letter.message),
  ]);
}

function line(cells: readonly [string, string, string, string, string, string, string]): string {
  const [id, parkedAt, stage, reason, tries, memory, message] = cells;
  return [
    id.padStart(8),
    parkedAt.padEnd(24),
    stage.padEnd(10),
    reason.padEnd(19),
    tries.padStart(5),
    memory.padEnd(24),
    message,
  ].join('  ');
}
