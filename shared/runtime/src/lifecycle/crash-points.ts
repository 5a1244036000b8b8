/**
 * Named places where a test can kill the process: MEMFLEET_CRASH_AT=after-record:3 ends it, without any
 * clean-up, the third time it gets there. When that is unset, a crash point costs one comparison.
 */
export const CRASH_POINTS = {
  stage: ['before-claim', 'in-call', 'after-record', 'after-publish', 'before-ack', 'after-park'],
  /** The queue in which tenants take turns. */
  tenantQueue: ['after-put', 'after-take'],
  projection: ['before-commit', 'after-commit'],
} as const;
export type CrashPoint = (typeof CRASH_POINTS)[keyof typeof CRASH_POINTS][number];

const [armed, count] = (process.env['MEMFLEET_CRASH_AT'] ?? '').split(':');
let remaining = Number(count ?? 1);

export function crashPoint(name: CrashPoint): void {
  if (name !== armed) return;
  remaining -= 1;
  if (remaining <= 0) process.kill(process.pid, 'SIGKILL');
}
