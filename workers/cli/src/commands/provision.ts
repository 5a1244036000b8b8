import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function provisionCommand(): Command {
  return new Command('provision')
    .description('create and update streams, durables, database schema and projections')
    .option('--check', 'change nothing; exit 1 when something differs')
    .addHelpText(
      'after',
      `
Safe to run again and from several places at once. Nothing is ever deleted; a difference that would
need it is refused. Views that somebody reads are waited for, up to a minute a projection and never
with locks held; a longer query is named as the cause (VIEWS_BUSY), and nothing is changed.

Examples:
  $ memfleet provision
  $ memfleet provision --check --json`,
    )
    .action(async (options: { check?: boolean }, command: Command) => {
      const { provision } = await import('../provision/provision.ts');
      await provision(globalsOf(command), { checkOnly: options.check === true });
    });
}
