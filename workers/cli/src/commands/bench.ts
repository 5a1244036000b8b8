import { Command } from 'commander';
import { globalsOf } from '../globals.ts';
import { wholeNumber } from '../numbers.ts';

interface PublishFlags {
  readonly events: number;
  readonly bytes: number;
}

export function benchCommand(): Command {
  return new Command('bench')
    .description(
      'measure throughput and latency beside what the raw client reaches in the same run',
    )
    .addCommand(publishCommand())
    .addHelpText(
      'after',
      `
Example:
  $ memfleet bench publish`,
    );
}

function publishCommand(): Command {
  return new Command('publish')
    .description('appends to the log: windowed, in atomic batches, and one at a time')
    .option('--events <n>', 'events per measure', wholeNumber(100, 10_000_000), 20_000)
    .option('--bytes <n>', 'bytes of content per event', wholeNumber(1, 60_000), 300)
    .addHelpText(
      'after',
      `
Runs on a throw-away stream, on the server that NATS_URL, --context or the fleet in this folder names,
else on an embedded one that is started for it. The limit is the JetStream client's own publish of the
same bytes, without Msg-Id, validation or duplicate check. With --json one line per measure.

Examples:
  $ memfleet bench publish
  $ memfleet bench publish --events 100000 --bytes 1000 --json`,
    )
    .action(async (options: PublishFlags, command: Command) => {
      const { benchPublish } = await import('../bench/publish.ts');
      await benchPublish(globalsOf(command), options);
    });
}
