import type { z } from 'zod';
import { memoryAccessed, type MemoryAccessed } from './memory-accessed.ts';
import { memoryCreated, type MemoryCreated } from './memory-created.ts';
import { memoryEmbedded, type MemoryEmbedded } from './memory-embedded.ts';
import { memoryExtracted, type MemoryExtracted } from './memory-extracted.ts';
import { memoryForgotten, type MemoryForgotten } from './memory-forgotten.ts';
import { memoryRevised, type MemoryRevised } from './memory-revised.ts';
import { memorySuperseded, type MemorySuperseded } from './memory-superseded.ts';

/** Every built-in event type. A new type is a new file and a line here. */
export const CATALOGUE = [
  memoryCreated,
  memoryRevised,
  memoryAccessed,
  memorySuperseded,
  memoryForgotten,
  memoryExtracted,
  memoryEmbedded,
] as const;

export type MemoryEvent =
  | MemoryCreated
  | MemoryRevised
  | MemoryAccessed
  | MemorySuperseded
  | MemoryForgotten
  | MemoryExtracted
  | MemoryEmbedded;

export type MemoryEventType = MemoryEvent['type'];

/** What an author may write as the data of a type, at its latest version: defaults are optional. */
export type DataOf<Type extends MemoryEventType> = Readonly<
  z.input<Extract<(typeof CATALOGUE)[number], { readonly type: Type }>['latest']>
>;
