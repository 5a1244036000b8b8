import { skip } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { OutputGate } from '../../../shared/stages/src/admission/output-gate.ts';
import { HandlerFaults } from '../../../shared/stages/src/pipeline/handler-faults.ts';
import { coded } from '../../support/failing-pool.ts';

const DONE = { kind: 'done', events: [] } as const;

function watched(): { readonly faults: HandlerFaults; readonly gate: OutputGate } {
  const gate = new OutputGate();
  return { faults: new HandlerFaults(gate), gate };
}

/** The verdicts on one event that fails again and again, while others are done in between, or not. */
function verdicts(
  { faults }: { readonly faults: HandlerFaults },
  code: string,
  { times, isAlone }: { readonly times: number; readonly isAlone: boolean },
): boolean[] {
  return Array.from({ length: times }, (_, index) => {
    if (!isAlone) faults.ended(`other ${index}`, DONE);
    return faults.failed('bad', coded(code));
  });
}

test.each(['42501', '42P01', '42883', '3D000', '28P01', '26000'])(
  'for %s no event is to blame, even if others are done',
  (code) => {
    expect(verdicts(watched(), code, { times: 100, isAlone: false })).not.toContain(true);
    expect(verdicts(watched(), code, { times: 100, isAlone: true })).not.toContain(true);
  },
);

test.each(['ECONNREFUSED', '57P03', '53100', '40P01', '40001', '55P03'])(
  '%s passes, and pauses nothing',
  (code) => {
    const watching = watched();
    expect(verdicts(watching, code, { times: 100, isAlone: false })).not.toContain(true);
    watching.faults.failed('bad', coded(code));
    expect(watching.gate.cause).toBeUndefined();
  },
);

test.each(['XX000', '0A000', '25P02', '42601', '42804'])(
  'for %s an event is to blame if it fails this way again after others were done',
  (code) => {
    expect(verdicts(watched(), code, { times: 2, isAlone: false })).toEqual([false, true]);
  },
);

test.each(['XX000', '57014', '53200'])(
  'for %s a single failing event is to blame in the end, but never one of several',
  (code) => {
    const alone = verdicts(watched(), code, { times: 20, isAlone: true });
    expect(alone.indexOf(true)).toBe(19);
    const several = watched();
    several.faults.failed('another', coded(code));
    expect(verdicts(several, code, { times: 100, isAlone: true })).not.toContain(true);
  },
);

test('a statement that takes too long is to blame after many times, when others were done', () => {
  expect(verdicts(watched(), '57014', { times: 20, isAlone: false }).indexOf(true)).toBe(19);
});

test('the cause holds until an event is done or skipped', () => {
  const { faults, gate } = watched();
  faults.failed('a', coded('42P01', 'no such table'));
  expect(gate.cause).toMatch(/handlers fail: no such table/);
  faults.ended('b', skip('nothing to do'));
  expect(gate.cause).toBeUndefined();
  // A skip proves nothing.
  faults.failed('a', coded('XX000'));
  faults.ended('c', skip('nothing to do'));
  expect(faults.failed('a', coded('XX000'))).toBe(false);
});
