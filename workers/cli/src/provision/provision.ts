import { compareFleet, provisionFleet } from '@memfleet/fleet';
import { type Change, describeChange } from '@memfleet/runtime';
import { openFleet } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { note, printJson, printLine } from '../output.ts';

/**
 * With `checkOnly` it changes nothing, and a difference gives exit code 1. Otherwise a projection that needs
 * a rebuild is no failure: its tables serve readers, and the workers that fill the new ones start after this.
 */
export async function provision(
  globals: Globals,
  { checkOnly }: { readonly checkOnly: boolean },
): Promise<void> {
  await using fleet = await openFleet(globals, 'provision');
  const changes = checkOnly
    ? await compareFleet(fleet)
    : await provisionFleet({ ...fleet, ...waiting() });
  if (checkOnly && changes.length > 0) process.exitCode = 1;
  if (globals.json) {
    await printJson({ inSync: changes.length === 0, applied: !checkOnly, changes });
    return;
  }
  for (const change of changes) await printLine(describeChange(change));
  await printLine(summary(changes, checkOnly));
  for (const { kind, action, name } of changes) {
    if (kind !== 'projection' || action !== 'refuse') continue;
    await printLine(`next: memfleet projection rebuild ${name}`);
  }
}

/** Ctrl-C ends the wait for readers of the views; each projection is reported once. */
function waiting() {
  const told = new Set<string>();
  return {
    signal: interruptSignal(),
    onWait: (projection: string): void => {
      if (!told.has(projection)) {
        note(`waiting for a long query that reads the views of ${projection}`);
      }
      told.add(projection);
    },
  };
}

function summary(changes: readonly Change[], checkOnly: boolean): string {
  if (changes.length === 0) return 'nothing to do: the deployment is as configured';
  const refused = changes.filter((change) => change.action === 'refuse').length;
  const changeable = changes.length - refused;
  const rest = refused === 0 ? '' : `, ${refused} cannot be changed in place`;
  return checkOnly
    ? `${changeable} to change with \`memfleet provision\`${rest}`
    : `${changeable} changed${rest}`;
}
