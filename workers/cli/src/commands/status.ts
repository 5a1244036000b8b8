import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('show what waits, what runs and what failed, per worker and per lane')
    .option('--watch', 'show it again every second')
    .addHelpText(
      'after',
      `
Lag is what a worker has not finished: in events, and as the age of the oldest of them. A worker of
which no process reports is "down". With --json one document is printed, with --watch one a second.

Examples:
  $ memfleet status
  $ memfleet status --watch
  $ memfleet status --json | jq '.workers[] | {worker, lagEvents, state}'`,
    )
    .action(async (options: { watch?: boolean }, command: Command) => {
      const { status } = await import('../status/status.ts');
      await status(globalsOf(command), { watch: options.watch === true });
    });
}
