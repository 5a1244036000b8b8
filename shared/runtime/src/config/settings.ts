import { z } from 'zod';

/** One value that can be set: its path in the file, and the name of its environment variable. */
export interface Setting {
  readonly path: readonly string[];
  readonly variable: string;
}

/** stages.extraction.ackWait → MEMFLEET_STAGES_EXTRACTION_ACK_WAIT */
export function variableOf(path: readonly string[]): string {
  const words = path.map((key) => key.replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase());
  return `MEMFLEET_${words.join('_')}`;
}

/** Every setting of a schema, derived from it, so that none can be forgotten here. */
export function settingsIn(schema: z.ZodType): readonly Setting[] {
  return [...leaves(schema, [])].map((path) => ({ path, variable: variableOf(path) }));
}

/** Keys that a schema allows at a path, for suggesting the nearest name of an unknown key. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let here: readonly z.ZodType[] = [schema];
  for (const key of path) {
    here = here.flatMap((one) => {
      if (one instanceof z.ZodRecord) return [one.valueType as z.ZodType];
      const next = shapes(one).map((shape) => shape[String(key)]);
      return next.filter((child) => child !== undefined);
    });
  }
  return [...new Set(here.flatMap((one) => shapes(one).flatMap((shape) => Object.keys(shape))))];
}

function* leaves(schema: z.ZodType, path: readonly string[]): Generator<readonly string[]> {
  const children = new Map<string, z.ZodType>();
  for (const shape of shapes(schema)) {
    for (const [key, child] of Object.entries(shape)) children.set(key, child);
  }
  if (children.size === 0) {
    yield path;
    return;
  }
  for (const [key, child] of children) yield* leaves(child, [...path, key]);
}

function shapes(schema: z.ZodType): Record<string, z.ZodType>[] {
  if (schema instanceof z.ZodObject) return [schema.shape];
  if (schema instanceof z.ZodDiscriminatedUnion) {
    return schema.options.flatMap((option) => shapes(option as z.ZodType));
  }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return shapes(schema.unwrap() as z.ZodType);
  }
  return [];
}
