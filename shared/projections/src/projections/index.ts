import type { Projection } from '../kit/define.ts';
import { knowledge } from './knowledge/projection.ts';
import { lineage } from './lineage/projection.ts';
import { memories } from './memories/projection.ts';

/** Every built-in projection. A new one is a new folder and a line here. */
export const PROJECTIONS: readonly Projection[] = [memories, knowledge, lineage];
