import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function provisionCommand(): Command {
  return new Command('provision')
    .description('create and update streams, durables, database schema and projections')
    .option('--check', 'change nothing; exit 1 when something differs')
    .addHelpText(
      'after',
      `
Safe to repeat, and to run from several places at once. It never deletes anything, and refuses a change
that would require it. A projection of another version, or with other lanes, needs a rebuild: its change
is refused and named, and does not fail the command, since the rebuild needs the new workers. It waits for
readers of views, up to a minute per projection and never with locks held; when a query takes longer, it
names the query as the cause (VIEWS_BUSY) and changes nothing.

Examples:
  $ memfleet provision
  $ memfleet provision --check --json`,
    )
    .action(async (options: { check?: boolean }, command: Command) => {
      const { provision } = await import('../provision/provision.ts');
      await provision(globalsOf(command), { checkOnly: options.check === true });
    });
}
