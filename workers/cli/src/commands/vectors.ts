import { Command } from 'commander';
import { globalsOf } from '../globals.ts';
import { sizeInBytes } from '../numbers.ts';

const GIB = 1_024 ** 3;

export function vectorsCommand(): Command {
  return new Command('vectors')
    .helpCommand(false)
    .description(
      'the vectors of memories and facts: what is stored, and the index that searches them',
    )
    .addCommand(statusCommand())
    .addCommand(indexCommand())
    .addHelpText(
      'after',
      `
Examples:
  $ memfleet vectors status
  $ memfleet vectors index`,
    );
}

function statusCommand(): Command {
  return new Command('status')
    .description('list every vector space, with its size and its index')
    .addHelpText(
      'after',
      `
With --json one line per space: space, isLive, dimensions, vectors, index (name, state none, building,
broken or ready, bytes, buildBytes).

Examples:
  $ memfleet vectors status
  $ memfleet vectors status --json | jq .index.state`,
    )
    .action(async (_options: unknown, command: Command) => {
      const { showVectors } = await import('../vectors/status.ts');
      await showVectors(globalsOf(command));
    });
}

function indexCommand(): Command {
  return new Command('index')
    .description('build the index that searches tenants with many memories (needs pgvector)')
    .option('--memory <size>', 'most memory that PostgreSQL may use for it', sizeInBytes, GIB)
    .addHelpText(
      'after',
      `
Reads and writes continue meanwhile. The command indexes the space that the fleet embeds in; when the
index exists, it does nothing. With less memory than \`vectors status\` names, a build takes several times
as long.

Examples:
  $ memfleet vectors index
  $ memfleet vectors index --memory 4GiB`,
    )
    .action(async ({ memory }: { memory: number }, command: Command) => {
      const { indexVectors } = await import('../vectors/index-vectors.ts');
      await indexVectors(globalsOf(command), memory);
    });
}
