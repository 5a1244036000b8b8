import { createHash } from 'node:crypto';

/** Everything that decides whether two vectors may be compared. */
export interface SpaceIdentity {
  readonly provider: string;
  readonly model: string;
  readonly dimensions: number;
  readonly normalisation: 'l2';
  /** Version of the preparation of a text before it is embedded. */
  readonly preprocessing: number;
}

const LONGEST_LABEL = 40;

/**
 * The name of an embedding space: a readable part, and a hash of the whole identity, so that spaces whose
 * readable parts agree stay apart. At most 64 characters. It never changes, since the log and the table
 * of vectors are full of it.
 */
export function spaceName(identity: SpaceIdentity): string {
  const { provider, model, dimensions, normalisation, preprocessing } = identity;
  const hash = createHash('sha256')
    .update(JSON.stringify([provider, model, dimensions, normalisation, preprocessing]))
    .digest('hex')
    .slice(0, 12);
  const label = model.toLowerCase().replaceAll(/[^a-z0-9.]+/g, '-');
  return `${label.slice(0, LONGEST_LABEL)}-${dimensions}-${hash}`;
}
