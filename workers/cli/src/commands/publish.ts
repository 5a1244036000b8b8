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
    .option('--strict', 'check every line first, and publish nothing when one is bad')
    .option('--source <uri>', 'source of short-form lines', '/memfleet/publish')
    .addHelpText(
      'after',
      `
A line is a whole CloudEvents envelope, or the short form
  {"tenant","memory","type","data"[,"id","time","correlation","version"]}
whose id is a UUID, and whose data has the latest version of its type, or the given one. Bad lines are
reported by number on standard error, and the good ones are published; the exit code is 1 when a line was
rejected.

Publishing a file again adds nothing. A short-form line without an id gets one, derived from its
content and from the number of equal lines before it in the file: you may publish a file again after it
grew or was reordered, and two equal lines are two events. The server's duplicate window and the lineage
projection find events that are in the log already, so you can simply repeat an interrupted run; readers
of the log apply an event once even if it is stored twice. A short-form line without a time gets the time
of its first publishing.

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
