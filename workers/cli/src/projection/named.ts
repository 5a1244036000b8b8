import { type Projection, PROJECTIONS } from '@memfleet/projections';
import { UsageError } from '../failure.ts';

/** @throws UsageError that lists the projections */
export function projectionNamed(name: string): Projection {
  const found = PROJECTIONS.find((projection) => projection.name === name);
  if (found !== undefined) return found;
  const names = PROJECTIONS.map((projection) => projection.name).join(', ');
  throw new UsageError(`unknown projection ${name}: there are ${names}`);
}
