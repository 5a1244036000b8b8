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
    .description('events that a stage gave up on: inspect, redrive or discard them')
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
    .description('list the dead letters, oldest first')
    .addHelpText(
      'after',
      `
With --json: one line per dead letter: id (for the other commands), stage, stageVersion, tenant, memory,
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
      "show one dead letter: its reason, headers and bytes, and the event as today's schema reads it",
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
    .description('try events again, with the current code and upcasters')
    .argument('[ids...]', 'ids of dead letters; or choose them with filters', collected)
    .option('--all', 'every dead letter')
    .option('--rate <n>', 'most dead letters per second', wholeNumber(1, 1_000_000))
    .option('--dry-run', 'only show what would be redriven')
    .addHelpText(
      'after',
      `
Each event goes back to its stage with its original bytes and a full set of attempts, and takes effect
once, even if you run this repeatedly. An event that fails again becomes a dead letter with a new id.
After an interruption, run the command again: it continues with the remaining dead letters. Events that
were parked because another payload had the same id before (conflicting_payload) are parked again, since
the first payload counts; use \`discard\` to remove them.

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
    .description('give events up permanently')
    .argument('[ids...]', 'ids of dead letters; or choose them with filters', collected)
    .requiredOption('--because <text>', 'the reason; kept with the event in the dedupe table')
    .option('--all', 'every dead letter')
    .option('--dry-run', 'only show what would be discarded')
    .option('--yes', 'do not ask; required without a terminal')
    .addHelpText(
      'after',
      `
The dead letter is erased from its stream. The event stays in the log, and the stage's dedupe table marks
it "discarded" with the reason. Each discarded letter is also reported on standard error.

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
    .option(
      '--reason <reason>',
      'only parked for this reason (invalid_event, unknown_type, newer_version, conflicting_payload, ' +
        'invalid_input, invalid_output, attempts_exhausted)',
    )
    .option('--older-than <age>', 'only if older than this age, such as 90d')
    .option('--newer-than <age>', 'only if newer than this age, such as 2h')
    .option('--limit <n>', 'most dead letters', wholeNumber(1, MOST));
}

function collected(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, letterId(text)];
}
