import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function demoCommand(): Command {
  return new Command('demo')
    .description('watch generated conversations become recallable memory, from nothing to answers')
    .option('--keep', 'keep the fleet running until Ctrl-C, to look around')
    .addHelpText(
      'after',
      `
Starts a fleet of its own (embedded NATS and PostgreSQL, every worker as a process), publishes a fixed
set of conversations, waits until the fleet has processed all of it, and shows what it learnt. It never
touches the servers that NATS_URL and DATABASE_URL name. The fleet's state is temporary; with --keep, or
in the folder that --state names, it stays. With --json the last line is
  {"events","memories","facts","entities","embeddings","modelCalls","seconds","recalls":[...]}

Examples:
  $ memfleet demo
  $ memfleet demo --keep
  $ memfleet demo --json | jq .recalls`,
    )
    .action(async (options: { keep?: boolean }, command: Command) => {
      const { demo } = await import('../demo/demo.ts');
      // Only the flag, not MEMFLEET_STATE: a demo must not mix with the fleet that people keep there.
      const { state } = command.optsWithGlobals<{ state?: string }>();
      await demo(globalsOf(command), { keep: options.keep === true, stateDir: state });
    });
}
