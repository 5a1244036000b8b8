import { sqlState } from '@memfleet/runtime';

/** Why a step of a rebuild was refused, and what to do. */
export class RebuildError extends Error {
  override readonly name: string = 'RebuildError';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Another command holds the lanes: for a moment, or until the hold runs out. */
export class LanesHeld extends RebuildError {
  override readonly name = 'LanesHeld';

  constructor(projection: string) {
    super(
      `the lanes of ${projection} are held by another command`,
      'Wait until it is done, and run this again.',
    );
  }
}

/** PostgreSQL's code for an object that cannot be dropped because others depend on it. */
const DEPENDENT = '2BP01';

/** Names what depends on an object when its drop is refused. @throws RebuildError, or the drop's error */
export async function namingDependents(drop: Promise<unknown>): Promise<void> {
  try {
    await drop;
  } catch (error) {
    if (sqlState(error) !== DEPENDENT) throw error;
    const { detail } = error as { detail?: string };
    throw new RebuildError(
      `an object outside the projection depends on a table or view to be dropped: ${detail?.replaceAll('\n', '; ') ?? 'unknown'}`,
      'Drop it, or let it read the views in the schema memory, and run this again.',
    );
  }
}
