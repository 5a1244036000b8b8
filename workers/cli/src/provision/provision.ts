import { compareFleet, provisionFleet } from '@memfleet/projections';
import { type Change, describeChange } from '@memfleet/runtime';
import { openFleet } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';

/** With `checkOnly` nothing is changed, and a difference is exit code 1. */
export async function provision(
  globals: Globals,
  { checkOnly }: { readonly checkOnly: boolean },
): Promise<void> {
  await using fleet = await openFleet(globals, 'provision');
  const changes = checkOnly ? await compareFleet(fleet) : await provisionFleet(fleet);
  const isRefused = changes.some((change) => change.action === 'refuse');
  if (changes.length > 0 && (checkOnly || isRefused)) process.exitCode = 1;
  if (globals.json) {
    await printJson({ inSync: changes.length === 0, applied: !checkOnly, changes });
    return;
  }
  for (const change of changes) await printLine(describeChange(change));
  await printLine(summary(changes, checkOnly));
}

function summary(changes: readonly Change[], checkOnly: boolean): string {
  if (changes.length === 0) return 'nothing to do: the deployment is as configured';
  const refused = changes.filter((change) => change.action === 'refuse').length;
  const mendable = changes.length - refused;
  const rest = refused === 0 ? '' : `, ${refused} cannot be mended in place`;
  return checkOnly
    ? `${mendable} to mend with \`memfleet provision\`${rest}`
    : `${mendable} mended${rest}`;
}
