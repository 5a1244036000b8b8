import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function demoCommand(): Command {
  return new Command('demo')
    .description('watch generated conversations become recallable memory, from nothing to answers')
    .option('--keep', 'leave the fleet running, to look around, until Ctrl-C')
    .addHelpText(
      'after',
      `
Starts a fleet of its own (embedded NATS and PostgreSQL, every worker as a process), publishes a set of
conversations that is the same every time, waits until all of it is learnt, and shows what that is. It
never touches the servers that NATS_URL and DATABASE_URL name. The fleet's state is temporary; with
--keep, or in the folder that --state names, it stays. With --json the last line is
  {"events","memories","facts","entities","embeddings","modelCalls","seconds","recalls":[...]}

Examples:
  $ memfleet demo
  $ memfleet demo --keep
  $ memfleet demo --json | jq .recalls`,
    )
    .action(async (options: { keep?: boolean }, command: Command) => {
      const { demo } = await import('../demo/demo.ts');
      // Only the flag, not MEMFLEET_STATE: a demo does not mix with the fleet that people keep there.
      const { state } = command.optsWithGlobals<{ state?: string }>();
      await demo(globalsOf(command), { keep: options.keep === true, stateDir: state });
    });
}
