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
    .description('take no new events in any process of a stage, until it is resumed')
    .argument('<stage>', 'extraction, embedding, or a stage of a configured module')
    .option('--because <reason>', 'shown in status and logs', 'no reason given')
    .addHelpText(
      'after',
      `
Every process heeds it within a second: calls under way are finished and recorded, what waits stays
where it is. Processes that are started later are paused as well. \`memfleet status\` shows the reason.

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
    .description('go on with a stage that was paused')
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
