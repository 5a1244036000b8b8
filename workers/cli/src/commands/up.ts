import { Command, InvalidArgumentError } from 'commander';
import { globalsOf } from '../globals.ts';
import { wholeNumber } from '../numbers.ts';

/** More processes of one worker on a machine would only share its cores. */
const MOST_PROCESSES = 32;

interface UpFlags {
  readonly extraction: number;
  readonly embedding: number;
  readonly projection: number;
  /** Processes by the name of the stage. */
  readonly stage: Readonly<Record<string, number>>;
}

const processes = wholeNumber(1, MOST_PROCESSES);

/** `summary=2`, any number of times. */
function ofStage(text: string, before: UpFlags['stage']): UpFlags['stage'] {
  const [name = '', number = ''] = text.split('=', 2);
  if (name === '') throw new InvalidArgumentError('Say <name>=<n>, for example summary=2.');
  return { ...before, [name]: processes(number) };
}

export function upCommand(): Command {
  return new Command('up')
    .description('run a whole fleet in the foreground: NATS, PostgreSQL and every worker')
    .option('--extraction <n>', 'extraction processes', processes, 1)
    .option('--embedding <n>', 'embedding processes', processes, 1)
    .option('--projection <n>', 'projection processes', processes, 1)
    .option('--stage <name=n>', 'processes of a stage from a module', ofStage, {})
    .addHelpText(
      'after',
      `
All its state is in the state folder, and survives a restart. NATS_URL and DATABASE_URL name servers to
use instead of embedded ones. Every other command run in this folder (or with the same --state) finds
the fleet by itself. With --json it prints one line when it is ready:
  {"ready":true,"natsUrl":"...","databaseUrl":"...","consoleUrl":null}

Ctrl-C ends it gracefully: the workers finish the events they hold, then the servers stop. A second Ctrl-C
does not wait for the workers; nothing is lost, the next start processes their events again.

Examples:
  $ memfleet up
  $ memfleet up --state /var/tmp/fleet --extraction 2
  $ memfleet up --json`,
    )
    .action(async (options: UpFlags, command: Command) => {
      const { up } = await import('../up/up.ts');
      const { stage, ...workers } = options;
      await up(globalsOf(command), { ...stage, ...workers });
    });
}
