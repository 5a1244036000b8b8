import { Command } from 'commander';
import { globalsOf } from '../globals.ts';
import { wholeNumber } from '../numbers.ts';

/** More than this of one worker on one machine only share its cores. */
const MOST_PROCESSES = 32;

interface UpFlags {
  readonly extraction: number;
  readonly embedding: number;
  readonly projection: number;
}

export function upCommand(): Command {
  const processes = wholeNumber(1, MOST_PROCESSES);
  return new Command('up')
    .description('run a whole fleet in the foreground: NATS, PostgreSQL and every worker')
    .option('--extraction <n>', 'extraction processes', processes, 1)
    .option('--embedding <n>', 'embedding processes', processes, 1)
    .option('--projection <n>', 'projection processes', processes, 1)
    .addHelpText(
      'after',
      `
Everything it keeps lies in the state folder, and is there again at the next start. NATS_URL and
DATABASE_URL name servers to use instead of embedded ones. Every other command run in this folder (or
with the same --state) finds the fleet by itself. With --json one line is printed when it is ready:
  {"ready":true,"natsUrl":"...","databaseUrl":"...","consoleUrl":null}

Ctrl-C ends it in order: the workers finish what they hold, then the servers stop. A second Ctrl-C
does not wait for the workers; nothing is lost, what they held is done again at the next start.

Examples:
  $ memfleet up
  $ memfleet up --state /var/tmp/fleet --extraction 2
  $ memfleet up --json`,
    )
    .action(async (options: UpFlags, command: Command) => {
      const { up } = await import('../up/up.ts');
      await up(globalsOf(command), options);
    });
}
