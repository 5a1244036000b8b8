import { Command } from 'commander';
import { globalsOf } from '../globals.ts';

export function eventsCommand(): Command {
  return new Command('events')
    .helpCommand(false)
    .description('inspect events in the log')
    .addCommand(historyCommand())
    .addCommand(showCommand())
    .addCommand(treeCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ memfleet events history acme m-17
  $ memfleet events show 0198c2f0-5a53-7c4e-9a3e-0c8f5b1d2e3f
  $ memfleet events tree 0198c2f0-5a53-7c4e-9a3e-0c8f5b1d2e3f`,
    );
}

function historyCommand(): Command {
  return new Command('history')
    .description("list a memory's events, in the order of the log")
    .argument('<tenant>', 'whose memory')
    .argument('<memory>', 'id of the memory')
    .addHelpText(
      'after',
      `
With --json: one line per event: its position, when it was stored, and the envelope as stored.

Examples:
  $ memfleet events history acme m-17
  $ memfleet events history acme m-17 --json | jq .event.type`,
    )
    .action(async (tenant: string, memory: string, _options: object, command: Command) => {
      const { history } = await import('../events/history.ts');
      await history(globalsOf(command), tenant, memory);
    });
}

function showCommand(): Command {
  return new Command('show')
    .description("show one event: the bytes as stored, and the event as today's schema reads it")
    .argument('<id>', "the event's id")
    .option('--tenant <tenant>', 'only this tenant, when several use the same id')
    .addHelpText(
      'after',
      `
Example:
  $ memfleet events show 0198c2f0-5a53-7c4e-9a3e-0c8f5b1d2e3f`,
    )
    .action(async (id: string, options: { tenant?: string }, command: Command) => {
      const { show } = await import('../events/show.ts');
      await show(globalsOf(command), id, options.tenant);
    });
}

function treeCommand(): Command {
  return new Command('tree')
    .description('show what an event led to, and what led to it')
    .argument('<id>', "the event's id")
    .option('--tenant <tenant>', 'only this tenant, when several use the same id')
    .addHelpText(
      'after',
      `
Draws the whole causation tree from its root, and marks the given event.

Example:
  $ memfleet events tree 0198c2f0-5a53-7c4e-9a3e-0c8f5b1d2e3f`,
    )
    .action(async (id: string, options: { tenant?: string }, command: Command) => {
      const { tree } = await import('../events/tree.ts');
      await tree(globalsOf(command), id, options.tenant);
    });
}
