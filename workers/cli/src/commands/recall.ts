import { MEMORY_KINDS, type MemoryKind } from '@memfleet/events';
import { Command, InvalidArgumentError } from 'commander';
import { globalsOf } from '../globals.ts';
import { wholeNumber } from '../numbers.ts';
import { parseTime } from '../parse-time.ts';

const DEFAULT_LIMIT = 10;

interface RecallOptions {
  readonly user?: string;
  readonly agent?: string;
  readonly session?: string;
  readonly kind?: MemoryKind[];
  readonly since?: Date;
  readonly until?: Date;
  readonly importance?: number;
  readonly limit: number;
  readonly full?: true;
}

export function recallCommand(): Command {
  return new Command('recall')
    .description('search the memories of a tenant by words and by meaning')
    .argument('<tenant>', 'whose memories')
    .argument('<query>', 'words to search for; a "phrase" must occur, a -word must not')
    .option('--user <user>', 'only memories of this user')
    .option('--agent <agent>', 'only memories of this agent')
    .option('--session <session>', 'only memories of this session')
    .option(
      '--kind <kind>',
      `only of this kind (${MEMORY_KINDS.join(', ')}); may be repeated`,
      kinds,
    )
    .option(
      '--since <time>',
      'only memories from that time or later, such as 2026-03-01 (UTC)',
      time,
    )
    .option('--until <time>', 'only memories from before that time (UTC)', time)
    .option('--importance <n>', 'only memories with at least this importance, 0 to 1', share)
    .option('--limit <n>', 'most results', wholeNumber(1, 1_000), DEFAULT_LIMIT)
    .option('--full', 'show whole contents, with facts and the surrounding turns')
    .addHelpText(
      'after',
      `
Examples:
  $ memfleet recall acme "what does Ada drink?"
  $ memfleet recall acme '"green tea" -coffee' --user ada --since 2026-01-01
  $ memfleet recall acme tea --limit 3 --json`,
    )
    .action(async (tenant: string, query: string, options: RecallOptions, command: Command) => {
      const { recallMemories } = await import('../recall/recall.ts');
      const { limit, full, kind, ...scope } = options;
      await recallMemories(globalsOf(command), {
        tenant,
        query,
        limit,
        scope: { ...scope, ...(kind === undefined ? {} : { kinds: kind }) },
        isFull: full === true,
      });
    });
}

function kinds(text: string, before: readonly MemoryKind[] = []): MemoryKind[] {
  const kind = MEMORY_KINDS.find((known) => known === text);
  if (kind === undefined) {
    throw new InvalidArgumentError(`It must be one of ${MEMORY_KINDS.join(', ')}.`);
  }
  return [...before, kind];
}

function time(text: string): Date {
  const value = parseTime(text);
  if (value === undefined) {
    throw new InvalidArgumentError('It must be a day or a time, such as 2026-03-01T12:00:00Z.');
  }
  return value;
}

function share(text: string): number {
  const value = Number(text);
  if (!/^[\d.]+$/.test(text) || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError('It must be a number from 0 to 1.');
  }
  return value;
}
