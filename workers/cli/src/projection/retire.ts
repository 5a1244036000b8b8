import { readGenerations, retireGeneration } from '@memfleet/projections';
import { CommandError } from '../failure.ts';
import { type Fleet, openProvisionedFleet } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { interruptSignal } from '../interrupt.ts';
import { printJson, printLine } from '../output.ts';
import { projectionNamed } from './named.ts';

export async function retire(
  globals: Globals,
  name: string,
  given: number | undefined,
): Promise<void> {
  projectionNamed(name);
  const signal = interruptSignal();
  await using fleet = await openProvisionedFleet(globals, 'projection');
  const generation = given ?? (await previousOf(fleet, name));
  await retireGeneration(fleet, name, generation, signal);
  if (globals.json) await printJson({ projection: name, generation, retired: true });
  else await printLine(`generation ${generation} of ${name} is retired`);
}

/** A rebuild in progress is cancelled only by its number. */
async function previousOf({ pool }: Fleet, name: string): Promise<number> {
  const found = await readGenerations(pool);
  const previous = found.filter(
    ({ projection, state }) => projection === name && state === 'previous',
  );
  const [only] = previous;
  if (only !== undefined && previous.length === 1) return only.generation;
  throw new CommandError(
    `projection ${name} has ${previous.length === 0 ? 'no' : previous.length} previous generations`,
    'Name one with --generation; see `memfleet projection list`.',
  );
}
