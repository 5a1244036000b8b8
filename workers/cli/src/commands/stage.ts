import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function stageCommand(): Command {
  return new Command('stage')
    .helpCommand(false)
    .description('pause a stage, or resume it')
    .addCommand(pauseCommand())
    .addCommand(resumeCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ memfleet stage pause extraction --because "the new model answers nonsense"
  $ memfleet stage resume extraction`,
    );
}

function pauseCommand(): Command {
  return new Command('pause')
    .description('stop a stage from taking new events, in all its processes, until you resume it')
    .argument('<stage>', 'extraction, embedding, or a stage of a configured module')
    .option('--because <reason>', 'shown in status and logs', 'no reason given')
    .addHelpText(
      'after',
      `
Every process obeys within a second: calls in progress finish and are recorded, waiting events stay in the
queue. Processes that start later are paused as well. \`memfleet status\` shows the reason.

Examples:
  $ memfleet stage pause extraction --because "the new model answers nonsense"
  $ memfleet stage pause embedding --json`,
    )
    .action(async (stage: string, { because }: { because: string }, command: Command) => {
      const { pause } = await import('../stage/pause.ts');
      await pause(globalsOf(command), stage, because);
    });
}

function resumeCommand(): Command {
  return new Command('resume')
    .description('resume a paused stage')
    .argument('<stage>', 'extraction, embedding, or a stage of a configured module')
    .addHelpText(
      'after',
      `
Examples:
  $ memfleet stage resume extraction`,
    )
    .action(async (stage: string, _options: object, command: Command) => {
      const { resume } = await import('../stage/pause.ts');
      await resume(globalsOf(command), stage);
    });
}
