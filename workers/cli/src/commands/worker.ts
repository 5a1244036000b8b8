import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function workerCommand(): Command {
  return new Command('worker')
    .description('run one worker process in the foreground (what containers run)')
    .argument('<name>', 'extraction, embedding, projection, or a stage of a configured module')
    .addHelpText(
      'after',
      `
Logs are JSON lines on standard error. SIGTERM and Ctrl-C end it gracefully: it finishes the events it
holds and takes no new ones.

Examples:
  $ memfleet worker extraction
  $ NATS_URL=nats://broker:4222 DATABASE_URL=postgres://db/memfleet memfleet worker projection`,
    )
    .action(async (name: string, _options: object, command: Command) => {
      const { runWorkerProcess } = await import('../worker/process.ts');
      process.exitCode = await runWorkerProcess(name, globalsOf(command));
    });
}
