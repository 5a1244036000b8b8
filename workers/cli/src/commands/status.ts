import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('show what waits, what runs and what failed, per worker and per lane')
    .option('--watch', 'refresh every second')
    .addHelpText(
      'after',
      `
Lag is the work that a worker has not finished: in events, and as the age of the oldest one. A worker
without a reporting process is "down". With --json it prints one document, with --watch one per second.

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
