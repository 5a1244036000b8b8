/** Why a step of a rebuild is not taken, and what to do. */
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
