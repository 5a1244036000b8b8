import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

interface PublishFlags {
  readonly strict?: boolean;
  readonly source: string;
}

export function publishCommand(): Command {
  return new Command('publish')
    .description('append events from JSON lines to the log')
    .argument('<file>', 'a file of JSON lines, or - for standard input')
    .option('--strict', 'check every line first; publish nothing when one is bad')
    .option('--source <uri>', 'source of short-form lines', '/memfleet/publish')
    .addHelpText(
      'after',
      `
A line is a whole CloudEvents envelope, or the short form
  {"tenant","memory","type","data"[,"id","time","correlation"]}
whose data is of the latest version of its type. Bad lines are told by number on standard error, the
good ones go in; the exit code is 1 when a line was rejected.

Publishing a file again adds nothing. A short-form line without an id gets one made of what it says,
and of how many lines before it in the file said the same: so a file may be published again after it
grew or was put in another order, and two equal lines are two events. What is in the log already is
found by the server's duplicate window and the lineage projection, so an interrupted run is simply
repeated; and whoever reads the log takes an event once even if it is stored twice. A short-form line
without a time gets that of its first publishing.

Examples:
  $ memfleet publish memories.jsonl
  $ jq -c '{tenant: "acme", memory: .id, type: "memory.created", data: {content: .text}}' chat.jsonl \\
      | memfleet publish -
  $ memfleet publish memories.jsonl --strict --json`,
    )
    .action(async (file: string, options: PublishFlags, command: Command) => {
      const { publish } = await import('../publish/publish.ts');
      await publish(globalsOf(command), file, {
        strict: options.strict === true,
        source: options.source,
      });
    });
}
