import { Command, CommanderError } from 'commander';
import { benchCommand } from './commands/bench.ts';
import { deadLettersCommand } from './commands/dead-letters.ts';
import { demoCommand } from './commands/demo.ts';
import { eventsCommand } from './commands/events.ts';
import { healthCommand } from './commands/health.ts';
import { projectionCommand } from './commands/projection.ts';
import { provisionCommand } from './commands/provision.ts';
import { publishCommand } from './commands/publish.ts';
import { recallCommand } from './commands/recall.ts';
import { stageCommand } from './commands/stage.ts';
import { statusCommand } from './commands/status.ts';
import { upCommand } from './commands/up.ts';
import { vectorsCommand } from './commands/vectors.ts';
import { workerCommand } from './commands/worker.ts';
import { describeFailure } from './failure.ts';
import { addGlobalOptions } from './globals.ts';
import { usageLine } from './usage.ts';

/**
 * All commands, in the order of the help. A command's file declares its options and help, and imports
 * the code that does the work only when it runs: `--help` must not wait for drivers it does not need.
 */
const COMMANDS: readonly (() => Command)[] = [
  demoCommand,
  upCommand,
  provisionCommand,
  workerCommand,
  publishCommand,
  statusCommand,
  eventsCommand,
  deadLettersCommand,
  stageCommand,
  projectionCommand,
  recallCommand,
  vectorsCommand,
  healthCommand,
  benchCommand,
];

/** The whole command line, every command with its options and help. */
export function program(): Command {
  const root = new Command('memfleet')
    .description('Turns an append-only log of memory events into recallable memory for AI agents.')
    .usage('<command> [options]')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) });
  addGlobalOptions(root);
  for (const make of COMMANDS) adopt(root, make());
  return root.addHelpText(
    'after',
    `
Connections come from NATS_URL, NATS_CREDS and DATABASE_URL (each also as *_FILE), from the NATS
context named by --context, or from the fleet that \`memfleet up\` runs in this folder.
Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration.

Examples:
  $ memfleet demo
  $ memfleet publish memories.jsonl
  $ memfleet recall acme "what does Ada drink?"`,
  );
}

/** Commander passes settings down only to commands that it creates itself. */
function adopt(parent: Command, command: Command): void {
  parent.addCommand(command);
  inherit(parent, command);
}

function inherit(parent: Command, command: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(command, child);
}

/** Runs a command line. @returns the exit code, 0 ok, 1 failed, 2 wrong usage */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync(argv);
    // A command that failed without an error, such as a check, has set it.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { text, exitCode } = describeFailure(error);
    process.stderr.write(text);
    return exitCode;
  }
}
