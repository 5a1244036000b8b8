import { EVENT_CLASSES, type EventType } from '@memfleet/events';
import type { StageDefinition } from '@memfleet/stages';
import { z } from 'zod';

/** A team's additions to the fleet: the default export of a file or package that `modules` names. */
export interface FleetModule {
  /** The team's own event types, with all their versions and upcasters. */
  readonly eventTypes?: readonly EventType[];
  readonly stages?: readonly AnyStage[];
}

// oxlint-disable-next-line typescript/no-explicit-any -- what a stage stores, and its provider, are its own affair
type AnyStage = StageDefinition<any, any>;

/** Declares a module, so that the compiler checks it. */
export function defineModule(module: FleetModule): FleetModule {
  return Object.freeze(module);
}

/** Names of stages and inputs: they are part of subjects, durables and environment variables. */
const name = z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, {
  error: 'must be 1 to 32 lower-case letters, digits or "_", a letter first',
});
const filter = z.string().regex(new RegExp(`^(${EVENT_CLASSES.join('|')})\\.([a-z_]+|\\*)$`), {
  error: 'must be <class>.<verb> or <class>.*, for example content.*',
});
const aFunction = z.custom((value) => typeof value === 'function', { error: 'must be a function' });

const shape = z.strictObject({
  eventTypes: z.array(z.looseObject({ type: z.string() })).optional(),
  stages: z
    .array(
      z.looseObject({
        name,
        version: z.int().min(1),
        inputs: z
          .record(name, filter)
          .refine((inputs) => Object.keys(inputs).length > 0, { error: 'names no event to take' }),
        provider: z.custom((value) => value instanceof z.ZodType, {
          error: 'must be a schema, made by the zod that the fleet has',
        }),
        open: aFunction,
      }),
    )
    .optional(),
});

/** The problems of a module's export; empty when there are none. */
export function problemsOf(exported: unknown): string[] {
  if (exported === undefined) return ['it has no default export'];
  const checked = shape.safeParse(exported);
  if (checked.success) return [];
  return checked.error.issues.map(({ path, message }) => {
    const at = path.map(String).join('.');
    return at === '' ? `its default export: ${message}` : `${at}: ${message}`;
  });
}
