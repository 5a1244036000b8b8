import type { ExtractedEntity } from '@memfleet/events';

export type EntityType = ExtractedEntity['type'];

/** Something that a sentence names: the tokens `from` (inclusive) to `to` (exclusive). */
export interface Name {
  readonly from: number;
  readonly to: number;
  readonly type: EntityType;
}
