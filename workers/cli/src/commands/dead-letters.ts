import { Command } from 'commander';
import type { SelectionFlags } from '../dead-letters/selection.ts';
import { globalsOf } from '../globals.ts';
import { wholeNumber } from '../numbers.ts';

interface RedriveFlags extends SelectionFlags {
  readonly dryRun?: boolean;
  readonly rate?: number;
}

interface DiscardFlags extends SelectionFlags {
  readonly because: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const MOST = Number.MAX_SAFE_INTEGER;
const letterId = wholeNumber(1, MOST);

export function deadLettersCommand(): Command {
  return new Command('dead-letters')
    .helpCommand(false)
    .description('events that a stage gave up on: look at them, try them again, or let them go')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(redriveCommand())
    .addCommand(discardCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ memfleet dead-letters list --stage extraction --newer-than 1h
  $ memfleet dead-letters show 17
  $ memfleet dead-letters redrive --reason invalid_output --rate 50
  $ memfleet dead-letters discard 17 --because "a test message"`,
    );
}

function listCommand(): Command {
  return withFilters(new Command('list'))
    .description('the dead letters, oldest first')
    .addHelpText(
      'after',
      `
With --json one line per dead letter: id (for the other commands), stage, stageVersion, tenant, memory,
eventId, correlationId, reason, message, attempts, redrives, logSequence, logSubject, parkedAt, bytes.

Examples:
  $ memfleet dead-letters list --tenant acme
  $ memfleet dead-letters list --json | jq -r .reason | sort | uniq -c`,
    )
    .action(async (flags: SelectionFlags, command: Command) => {
      const { list } = await import('../dead-letters/list.ts');
      await list(globalsOf(command), flags);
    });
}

function showCommand(): Command {
  return new Command('show')
    .description(
      "one dead letter: why, its headers, its bytes, and what today's schema makes of them",
    )
    .argument('<id>', 'its id, as list prints it', letterId)
    .addHelpText(
      'after',
      `
Example:
  $ memfleet dead-letters show 17`,
    )
    .action(async (id: number, _options: object, command: Command) => {
      const { show } = await import('../dead-letters/show.ts');
      await show(globalsOf(command), id);
    });
}

function redriveCommand(): Command {
  return withFilters(new Command('redrive'))
    .description('give events another try, with the code and the upcasters of today')
    .argument('[ids...]', 'ids of dead letters; or say with filters which are meant', collected)
    .option('--all', 'every dead letter')
    .option('--rate <n>', 'no more than so many a second', wholeNumber(1, 1_000_000))
    .option('--dry-run', 'only say what would be redriven')
    .addHelpText(
      'after',
      `
Each event goes to the stage that gave it up, with its original bytes and a full set of attempts, and
takes effect once, however often this is run. What fails again is a dead letter again, under a new id.
An interrupted run goes on where it was when it is run again: what was redriven is no dead letter any
more. Events that were parked because their id came before with another payload (conflicting_payload)
are parked again: the first one stands; discard is the way to be rid of them.

Examples:
  $ memfleet dead-letters redrive 17 18
  $ memfleet dead-letters redrive --stage extraction --reason invalid_output --dry-run
  $ memfleet dead-letters redrive --all --rate 50`,
    )
    .action(async (ids: number[], flags: RedriveFlags, command: Command) => {
      const { redrive } = await import('../dead-letters/redrive.ts');
      await redrive(globalsOf(command), ids, flags);
    });
}

function discardCommand(): Command {
  return withFilters(new Command('discard'))
    .description('give events up for good')
    .argument('[ids...]', 'ids of dead letters; or say with filters which are meant', collected)
    .requiredOption('--because <text>', 'why; kept with the event in the dedupe table')
    .option('--all', 'every dead letter')
    .option('--dry-run', 'only say what would be discarded')
    .option('--yes', 'do not ask; needed where nobody can answer')
    .addHelpText(
      'after',
      `
The letter is erased from the stream of dead letters. The event stays in the log, and the stage's
dedupe table says of it "discarded" and why; each is told on standard error.

Examples:
  $ memfleet dead-letters discard 17 --because "a test message"
  $ memfleet dead-letters discard --tenant trial --older-than 90d --because "left us" --yes`,
    )
    .action(async (ids: number[], flags: DiscardFlags, command: Command) => {
      const { discard } = await import('../dead-letters/discard.ts');
      await discard(globalsOf(command), ids, flags);
    });
}

function withFilters(command: Command): Command {
  return command
    .option('--stage <stage>', 'only of this stage')
    .option('--tenant <tenant>', 'only of this tenant')
    .option('--memory <memory>', 'only of this memory')
    .option('--reason <reason>', 'only parked for this reason')
    .option('--older-than <age>', 'only parked before that, such as 90d')
    .option('--newer-than <age>', 'only parked after that, such as 2h')
    .option('--limit <n>', 'no more than so many', wholeNumber(1, MOST));
}

function collected(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, letterId(text)];
}
