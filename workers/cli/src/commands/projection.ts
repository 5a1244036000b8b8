import { Command } from 'commander';
import { globalsOf } from '../globals.ts';
import { wholeNumber } from '../numbers.ts';

const MOST = Number.MAX_SAFE_INTEGER;

export function projectionCommand(): Command {
  return new Command('projection')
    .helpCommand(false)
    .description('read models: rebuild them beside the live ones, compare, swap, and go back')
    .addCommand(listCommand())
    .addCommand(statusCommand())
    .addCommand(rebuildCommand())
    .addCommand(verifyCommand())
    .addCommand(promoteCommand())
    .addCommand(rollbackCommand())
    .addCommand(retireCommand())
    .addCommand(redriveCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ memfleet projection rebuild memories
  $ memfleet projection verify memories
  $ memfleet projection promote memories
  $ memfleet projection rollback memories     # if the promotion was a mistake
  $ memfleet projection retire memories       # if it was not`,
    );
}

function listCommand(): Command {
  return new Command('list')
    .description('list every generation of every projection, or every parked memory')
    .option('--parked', 'list the memories whose events wait, with the reason')
    .addHelpText(
      'after',
      `
With --json: one line per generation: projection, generation, state, version, codeVersion, lanes,
isFilling, bytes, parkedKeys, createdAt; with --parked one line per memory: projection, generation,
tenant, memory, sequence, reason, events, parkedAt.

Examples:
  $ memfleet projection list
  $ memfleet projection list --parked --json | jq -r .reason | sort | uniq -c`,
    )
    .action(async (options: { parked?: boolean }, command: Command) => {
      const { list, listParked } = await import('../projection/list.ts');
      await (options.parked === true ? listParked : list)(globalsOf(command));
    });
}

function statusCommand(): Command {
  return new Command('status')
    .description('show position, lag and speed of every lane of every generation')
    .argument('[projection]', 'only this one')
    .addHelpText(
      'after',
      `
Samples twice, a second apart, to measure the speed. With --json: one line per lane: projection,
generation, generationState, version, isFilling, lane, owner, epoch, position, lagEvents, lagSeconds,
ratePerSecond, etaSeconds (null when it does not catch up), state, cause, parkedKeys, parkedEvents.

Examples:
  $ memfleet projection status
  $ memfleet projection status memories --json | jq '{generation, lagEvents, etaSeconds}'`,
    )
    .action(async (projection: string | undefined, _options: object, command: Command) => {
      const { status } = await import('../projection/status.ts');
      await status(globalsOf(command), projection);
    });
}

function rebuildCommand(): Command {
  return new Command('rebuild')
    .description('make new tables from the log, beside the live ones')
    .argument('<projection>', 'name of the projection')
    .option('--detach', 'only start the rebuild; the workers continue by themselves')
    .addHelpText(
      'after',
      `
The projection workers fill the next generation while the live one keeps running; live tables have
priority. The indexes that only readers need are built at the end. Ctrl-C ends only the display: run
the command again to see the progress and to build the indexes. Killed workers continue from their
checkpoints. Needs the permission to create durables and schemas, like provision. With --json: one
document at the end: projection, generation, isNew, events, seconds, ratePerSecond, caughtUp.

Examples:
  $ memfleet projection rebuild memories
  $ memfleet projection rebuild memories --detach && memfleet projection status memories`,
    )
    .action(async (projection: string, options: { detach?: boolean }, command: Command) => {
      const { rebuild } = await import('../projection/rebuild.ts');
      await rebuild(globalsOf(command), projection, { detach: options.detach === true });
    });
}

function verifyCommand(): Command {
  return withMaxLag(new Command('verify'), 10_000)
    .description('compare the next generation with the live one, at one position of the log')
    .argument('<projection>', 'name of the projection')
    .addHelpText(
      'after',
      `
The lanes of both generations are held at one position for milliseconds, until both snapshots are
taken; the comparison runs after that. Exit code 1 when tables of the same version differ; the output
names some of the differing keys. Tables of different versions are compared in the columns they share,
and may legitimately differ. With --json: one document: projection, live, next, position, equal,
tables, parkedEvents.

Examples:
  $ memfleet projection verify memories
  $ memfleet projection verify memories --json | jq '.tables[] | select(.equal | not)'`,
    )
    .action(async (projection: string, options: { maxLag: number }, command: Command) => {
      const { verify } = await import('../projection/verify.ts');
      await verify(globalsOf(command), projection, options);
    });
}

function promoteCommand(): Command {
  return withTimeout(withMaxLag(new Command('promote'), 1_000))
    .description('show the next generation instead of the live one')
    .argument('<projection>', 'name of the projection')
    .option('--max-age <minutes>', 'refuse a verification that is older', wholeNumber(1, MOST), 60)
    .option('--force', 'promote it even if it was not verified, lags behind or parks memories')
    .addHelpText(
      'after',
      `
Swaps in one transaction: readers wait for it and never see a half-made swap. It holds no locks while it
waits for a long query: it gives way and tries again. It refuses while the next generation parks memories
that the live one shows. The tables that were live stay up to date until they are retired.
With --json: one document: projection, live, before, behind, attempts, blockedMs.

Example:
  $ memfleet projection promote memories`,
    )
    .action(
      async (
        projection: string,
        options: { maxLag: number; maxAge: number; timeout: number; force?: boolean },
        command: Command,
      ) => {
        const { promote } = await import('../projection/swap.ts');
        await promote(globalsOf(command), projection, {
          maxLag: options.maxLag,
          maxAge: options.maxAge,
          timeout: options.timeout,
          force: options.force === true,
        });
      },
    );
}

function rollbackCommand(): Command {
  return withTimeout(new Command('rollback'))
    .description('make the previous generation live again')
    .argument('<projection>', 'name of the projection')
    .addHelpText(
      'after',
      `
The generation that was live becomes the next one again, and may be promoted again or retired. A rollback
checks nothing first; "behind" says how many events its tables lacked at that moment.

Example:
  $ memfleet projection rollback memories`,
    )
    .action(async (projection: string, options: { timeout: number }, command: Command) => {
      const { rollback } = await import('../projection/swap.ts');
      await rollback(globalsOf(command), projection, options);
    });
}

function retireCommand(): Command {
  return new Command('retire')
    .description('drop the tables and durables of a generation that is not live')
    .argument('<projection>', 'name of the projection')
    .option('--generation <n>', 'default: the previous one', wholeNumber(1, MOST))
    .addHelpText(
      'after',
      `
Afterwards there is nothing to roll back to. A second run completes an interrupted one. The command
refuses while a view outside the projection reads the tables.

Examples:
  $ memfleet projection retire memories
  $ memfleet projection retire memories --generation 3     # cancels a rebuild`,
    )
    .action(async (projection: string, options: { generation?: number }, command: Command) => {
      const { retire } = await import('../projection/retire.ts');
      await retire(globalsOf(command), projection, options.generation);
    });
}

function redriveCommand(): Command {
  return new Command('redrive')
    .description('try parked memories again, with the current code')
    .argument('<projection>', 'name of the projection')
    .option('--tenant <tenant>', 'only memories of this tenant')
    .option('--memory <memory>', 'only this memory')
    .addHelpText(
      'after',
      `
The lane that parked a memory applies its events in the order of the log, and the tables end as if
the events had never waited. Exit code 1 when some still cannot be applied; those stay parked. Ctrl-C
ends only the wait. With --json: one line per memory: projection, generation, tenant, memory, applied,
reason.

Examples:
  $ memfleet projection redrive memories
  $ memfleet projection redrive memories --tenant acme --memory m-17`,
    )
    .action(
      async (
        projection: string,
        options: { tenant?: string; memory?: string },
        command: Command,
      ) => {
        const { redrive } = await import('../projection/redrive.ts');
        await redrive(globalsOf(command), projection, options);
      },
    );
}

function withMaxLag(command: Command, standard: number): Command {
  return command.option(
    '--max-lag <events>',
    'refuse when the generations are further apart',
    wholeNumber(0, MOST),
    standard,
  );
}

function withTimeout(command: Command): Command {
  return command.option(
    '--timeout <seconds>',
    'how long to keep trying while readers hold the views',
    wholeNumber(1, 3_600),
    60,
  );
}
