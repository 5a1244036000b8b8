import { Command } from 'commander';
import { globalsOf } from '../globals.ts';
import { wholeNumber } from '../numbers.ts';

const DEFAULT_LIMIT = 10;

export function recallCommand(): Command {
  return new Command('recall')
    .description('search the memories of a tenant by words and by meaning')
    .argument('<tenant>', 'whose memories')
    .argument('<query>', 'what to look for')
    .option('--limit <n>', 'most results', wholeNumber(1, 1_000), DEFAULT_LIMIT)
    .addHelpText(
      'after',
      `
Examples:
  $ memfleet recall acme "what does Ada drink?"
  $ memfleet recall acme tea --limit 3 --json`,
    )
    .action(async (tenant: string, query: string, options: { limit: number }, command: Command) => {
      const { recallMemories } = await import('../recall/recall.ts');
      await recallMemories(globalsOf(command), { tenant, query, limit: options.limit });
    });
}
