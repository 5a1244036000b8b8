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
  $ memfleet projection rollback memories     # if it was a mistake
  $ memfleet projection retire memories       # when it was none`,
    );
}

function listCommand(): Command {
  return new Command('list')
    .description('every generation of every projection, or every parked memory')
    .option('--parked', 'the memories whose events wait, with the reason')
    .addHelpText(
      'after',
      `
With --json one line per generation: projection, generation, state, version, codeVersion, lanes,
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
    .description('position, lag and speed of every lane of every generation')
    .argument('[projection]', 'only this one')
    .addHelpText(
      'after',
      `
Looks twice, a second apart, to tell the speed. With --json one line per lane: projection, generation,
generationState, version, isFilling, lane, owner, epoch, position, lagEvents, lagSeconds,
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
    .argument('<projection>', 'which')
    .option('--detach', 'only begin; the workers go on by themselves')
    .addHelpText(
      'after',
      `
The projection workers fill the next generation while the live one goes on; tables that are read come
first. Indexes that only readers need are made at the end. Ctrl-C ends only the display: run it again
to see how far it is and to have the indexes made. Killed workers go on from their checkpoints.
Needs the right to create durables and schemas, as provision does. With --json one document at the
end: projection, generation, isNew, events, seconds, ratePerSecond, caughtUp.

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
    .argument('<projection>', 'which')
    .addHelpText(
      'after',
      `
Lanes of both are held at one position until both are seen, for milliseconds; comparing goes on
without them. Exit code 1 when tables of the same version differ; some of the keys that do are named.
Tables of two versions are compared as far as they have columns in common, and may rightly differ.
With --json one document: projection, live, next, position, equal, tables, parkedEvents.

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
    .argument('<projection>', 'which')
    .option('--max-age <minutes>', 'refuse a verification that is older', wholeNumber(1, MOST), 60)
    .option('--force', 'even if it was not verified, lags behind or parks memories')
    .addHelpText(
      'after',
      `
One transaction; readers wait for it and see nothing of it. It never waits for a long query with locks
held: it gives way and tries again. It refuses while the next generation parks memories that the live
one shows. The tables that were live stay up to date until they are retired.
With --json one document: projection, live, before, behind, attempts, blockedMs.

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
    .description('show the generation again that was live before')
    .argument('<projection>', 'which')
    .addHelpText(
      'after',
      `
What was live becomes the next generation again, and may be promoted once more or retired. A rollback
insists on nothing; "behind" says how many events its tables lacked at that moment.

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
    .argument('<projection>', 'which')
    .option('--generation <n>', 'default: the previous one', wholeNumber(1, MOST))
    .addHelpText(
      'after',
      `
After this there is nothing to roll back to. Run again, it ends what an interrupted run began. It is
refused while a view that is none of the projection's reads the tables.

Examples:
  $ memfleet projection retire memories
  $ memfleet projection retire memories --generation 3     # gives a rebuild up`,
    )
    .action(async (projection: string, options: { generation?: number }, command: Command) => {
      const { retire } = await import('../projection/retire.ts');
      await retire(globalsOf(command), projection, options.generation);
    });
}

function redriveCommand(): Command {
  return new Command('redrive')
    .description('try parked memories again, with the code of today')
    .argument('<projection>', 'which')
    .option('--tenant <tenant>', 'only memories of this tenant')
    .option('--memory <memory>', 'only this memory')
    .addHelpText(
      'after',
      `
The lane that parked a memory applies its events in the order of the log, and the tables end as if
they had never waited. Exit code 1 when some still cannot be applied; those stay parked. Ctrl-C ends
only the wait. With --json one line per memory: projection, generation, tenant, memory, applied, reason.

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
    'how long to try while readers hold the views',
    wholeNumber(1, 3_600),
    60,
  );
}
