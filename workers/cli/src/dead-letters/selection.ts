import { TOKEN_PATTERN } from '@memfleet/events';
import { type FleetConfig, RuntimeError } from '@memfleet/runtime';
import {
  findLetter,
  type LetterFilter,
  PARK_REASONS,
  readLetters,
  type StoredLetter,
} from '@memfleet/stages';
import { expectOneOf } from '../expect-one-of.ts';
import { UsageError } from '../failure.ts';
import type { Broker } from '../fleet.ts';
import { ageOf } from './age.ts';

/** The options of all commands that name dead letters, as commander gives them. */
export interface SelectionFlags {
  readonly stage?: string;
  readonly tenant?: string;
  readonly memory?: string;
  readonly reason?: string;
  readonly olderThan?: string;
  readonly newerThan?: string;
  readonly limit?: number;
  readonly all?: boolean;
}

/** Dead letters by their ids, or by what they have in common. */
export type Selection =
  | { readonly kind: 'ids'; readonly ids: readonly number[] }
  | { readonly kind: 'filter'; readonly filter: LetterFilter };

/** @throws UsageError when a filter can match nothing, as with a misspelt stage */
export function filterOf(flags: SelectionFlags, config: FleetConfig, now: Date): LetterFilter {
  const { stage, tenant, memory, reason, olderThan, newerThan, limit } = flags;
  expectOneOf('stage', stage, Object.keys(config.stages));
  expectOneOf('reason', reason, PARK_REASONS);
  for (const [name, value] of Object.entries({ tenant, memory })) {
    // A wildcard would select letters of other tenants.
    if (value === undefined || TOKEN_PATTERN.test(value)) continue;
    throw new UsageError(`the ${name} must be 1 to 64 letters, digits, "_" or "-"`);
  }
  const before = (age: string | undefined, option: string): Date | undefined =>
    age === undefined ? undefined : new Date(now.getTime() - ageOf(age, option));
  return {
    stage,
    tenant,
    memory,
    reason,
    parkedBefore: before(olderThan, '--older-than'),
    parkedAfter: before(newerThan, '--newer-than'),
    limit,
  };
}

/**
 * The selection of a command that changes letters: to select everything, the user must say so.
 * @throws UsageError when nothing is chosen, or in two ways at once
 */
export function selectionOf(
  ids: readonly number[],
  flags: SelectionFlags,
  config: FleetConfig,
  now: Date,
): Selection {
  const { all, limit, ...filters } = flags;
  const hasFilter = [
    filters.stage,
    filters.tenant,
    filters.memory,
    filters.reason,
    filters.olderThan,
    filters.newerThan,
  ].some((value) => value !== undefined);
  if (ids.length > 0) {
    if (hasFilter || all === true || limit !== undefined) {
      throw new UsageError('give either ids or filters, not both');
    }
    return { kind: 'ids', ids: [...new Set(ids)] };
  }
  if (!hasFilter && all !== true) {
    throw new UsageError('choose dead letters by ids, by filters, or with --all');
  }
  return { kind: 'filter', filter: filterOf(flags, config, now) };
}

/** The letters of a selection, one by one; it adds ids that do not exist to `missing`. */
export async function* selectedLetters(
  broker: Pick<Broker, 'connection' | 'jsm' | 'config'>,
  selection: Selection,
  missing: number[],
): AsyncGenerator<StoredLetter> {
  const { jsm, config } = broker;
  if (selection.kind === 'filter') {
    yield* readLetters(broker, config, selection.filter);
    return;
  }
  for (const id of selection.ids) {
    const letter = await findLetter(jsm, config, id);
    if (letter === undefined) missing.push(id);
    else yield letter;
  }
}

export function noSuchLetter(ids: readonly number[]): RuntimeError {
  const list = ids.join(', ');
  return new RuntimeError(
    'NOT_FOUND',
    ids.length === 1
      ? `there is no dead letter ${list} (any more)`
      : `there are no dead letters ${list} (any more)`,
  );
}
