import { Command } from 'commander';
import { UsageError } from '../failure.ts';
import { globalsOf } from '../globals.ts';
import { wholeNumber } from '../numbers.ts';

interface PublishFlags {
  readonly events: number;
  readonly bytes: number;
}

interface RoundsFlags extends PublishFlags {
  readonly rounds: number;
}

interface StageFlags extends RoundsFlags {
  readonly latency?: number;
  readonly concurrency: number;
}

interface LatencyFlags {
  readonly seconds: number;
  readonly rate: number;
  readonly bytes: number;
  readonly alone?: boolean;
  readonly rebuild?: number;
}

interface RecallFlags {
  readonly fit?: boolean;
  readonly model?: boolean;
}

const WHERE = `Runs on a throw-away stream and database: on the servers named by NATS_URL and DATABASE_URL, by
--context or by the fleet in this folder, or else on embedded servers started for the run.`;

export function benchCommand(): Command {
  return new Command('bench')
    .description(
      'measure throughput against the raw client in the same run, latency, and what recall finds',
    )
    .addCommand(publishCommand())
    .addCommand(stageCommand('extraction'))
    .addCommand(stageCommand('embedding'))
    .addCommand(projectionCommand())
    .addCommand(rebuildCommand())
    .addCommand(latencyCommand())
    .addCommand(recallCommand())
    .addHelpText(
      'after',
      `
Example:
  $ memfleet bench publish`,
    );
}

function publishCommand(): Command {
  return new Command('publish')
    .description('append to the log: windowed, in atomic batches, and one at a time')
    .option('--events <n>', 'events per measure', wholeNumber(100, 10_000_000), 20_000)
    .option('--bytes <n>', 'bytes of content per event', wholeNumber(1, 60_000), 300)
    .addHelpText(
      'after',
      `
Runs on a throw-away stream: on the server named by NATS_URL, by --context or by the fleet in this
folder, or else on an embedded server started for the run. The limit is the JetStream client's own
publish of the same bytes, without Msg-Id, validation or duplicate check. With --json: one line per
measure.

Examples:
  $ memfleet bench publish
  $ memfleet bench publish --events 100000 --bytes 1000 --json`,
    )
    .action(async (options: PublishFlags, command: Command) => {
      const { benchPublish } = await import('../bench/publish.ts');
      await benchPublish(globalsOf(command), options);
    });
}

function stageCommand(stage: 'extraction' | 'embedding'): Command {
  return inRounds(stage, 40_000)
    .description(`run one ${stage} worker through a backlog, with an instant or with a slow model`)
    .option('--latency <ms>', 'use a model that takes this long instead', wholeNumber(1, 60_000))
    .option('--concurrency <n>', 'calls in flight, with --latency', wholeNumber(1, 4_096), 256)
    .addHelpText(
      'after',
      `
${WHERE}
The limit is the raw client's fetch → publish → ack of events of the same sizes, without any table.
The first quarter of the events warms the worker up and does not count. With --latency, a model
service in this process delays its answers, each slot calls it twelve times (--events and --rounds do
not apply), and the limit is what the concurrency allows; \`settings\` has the calls in flight.

Examples:
  $ memfleet bench ${stage}
  $ memfleet bench ${stage} --rounds 3 --json
  $ memfleet bench ${stage} --latency 1000 --concurrency 256`,
    )
    .action(async ({ latency, concurrency, ...options }: StageFlags, command: Command) => {
      const globals = globalsOf(command);
      if (latency === undefined) {
        refuseIfGiven(command, ['concurrency'], 'needs --latency');
        const { benchStage } = await import('../bench/stage.ts');
        await benchStage(globals, stage, options);
      } else {
        refuseIfGiven(command, ['events', 'rounds'], 'does not apply with --latency');
        const { benchSlowModel } = await import('../bench/stage-latency.ts');
        await benchSlowModel(globals, stage, { bytes: options.bytes, latency, concurrency });
      }
    });
}

/** For options that the chosen kind of run would ignore. @throws UsageError */
function refuseIfGiven(command: Command, names: readonly string[], why: string): void {
  const given = names.find((name) => command.getOptionValueSource(name) === 'cli');
  if (given !== undefined) throw new UsageError(`--${given} ${why}`);
}

/** A command with the flags of a measurement over a backlog. */
function inRounds(name: string, events: number): Command {
  return new Command(name)
    .option('--events <n>', 'events per round', wholeNumber(1_000, 10_000_000), events)
    .option('--bytes <n>', 'bytes of content per event', wholeNumber(1, 60_000), 100)
    .option('--rounds <n>', 'rounds; the median counts', wholeNumber(1, 100), 1);
}

function projectionCommand(): Command {
  return inRounds('projection', 100_000)
    .description(
      'run one projection worker through a backlog: memories alone, then all projections',
    )
    .addHelpText(
      'after',
      `
${WHERE}
The limit is a hand-written loop on the same log: fetch, JSON.parse, one upsert and a checkpoint per
1,000 events, into a table with the same columns and indexes, or without the full-text index.
The first quarter of the events warms the worker up and does not count.

Examples:
  $ memfleet bench projection
  $ memfleet bench projection --events 300000 --rounds 3 --json`,
    )
    .action(async (options: RoundsFlags, command: Command) => {
      const { benchProjection } = await import('../bench/projection.ts');
      await benchProjection(globalsOf(command), options);
    });
}

function rebuildCommand(): Command {
  return inRounds('rebuild', 100_000)
    .description('run one projection worker through a rebuild of memories, including indexes')
    .addHelpText(
      'after',
      `
${WHERE}
The worker fills a new generation, then builds its indexes for readers. The rate covers rows and
indexes together; \`settings\` has each of them. The limit is the hand-written loop of
\`bench projection\` on the same log. The first quarter of the events warms the worker up and does not
count.

Examples:
  $ memfleet bench rebuild
  $ memfleet bench rebuild --events 1000000 --json`,
    )
    .action(async (options: RoundsFlags, command: Command) => {
      const { benchRebuild } = await import('../bench/rebuild.ts');
      await benchRebuild(globalsOf(command), options);
    });
}

function latencyCommand(): Command {
  return new Command('latency')
    .description(
      'measure from the append of an event to its row in the read model, at a steady rate',
    )
    .option('--seconds <n>', 'how long to measure', wholeNumber(1, 3_600), 20)
    .option('--rate <n>', 'events per second', wholeNumber(1, 20_000), 1_000)
    .option('--bytes <n>', 'bytes of content per event', wholeNumber(1, 60_000), 100)
    .option('--alone', 'run no projection but memories')
    .option(
      '--rebuild <n>',
      'rebuild memories from this many events meanwhile',
      wholeNumber(1, 10_000_000),
    )
    .addHelpText(
      'after',
      `
${WHERE}
One process runs all projections, or with --alone only \`memories\`. An event counts as visible when the
transaction with its row in \`memories\` is seen as committed. With --rebuild, \`settings\` has the
rebuild's position at the end: if it is below the number of events, the rebuild ran the whole time.

Examples:
  $ memfleet bench latency
  $ memfleet bench latency --rate 2000 --json
  $ memfleet bench latency --alone
  $ memfleet bench latency --rebuild 1000000`,
    )
    .action(async (options: LatencyFlags, command: Command) => {
      const { benchLatency } = await import('../bench/append-latency.ts');
      await benchLatency(globalsOf(command), options);
    });
}

function recallCommand(): Command {
  return new Command('recall')
    .description(
      'measure how often recall finds the memories that answer the questions of a folder',
    )
    .argument('<folder>', 'folder with events.jsonl and questions.jsonl')
    .option('--model', 'make vectors with the embedding model of the configuration')
    .option('--fit', 'search for the weights of text and vectors that find most')
    .addHelpText(
      'after',
      `
${WHERE}
events.jsonl has the format of \`memfleet publish\`. Its events go through workers with the local
providers, or with --model through the configured embedding model, which is then called for every
event and question. Questions are asked once the read models have all events. questions.jsonl has one
question per line:
  {"tenant":"acme","question":"What does Ada drink?","expected":["m-1"],"category":"habits"}
\`category\` is optional; \`user\`, \`agent\`, \`session\`, \`kind\`, \`since\`, \`until\` and \`importance\`
narrow the search. Each question goes to both halves together (\`product\`), to the text half and to the
vectors. With --json: one line per ranking and category, shares from 0 to 1, the product's overall score
first. With --fit: the weights with which both halves together would find most; judge weights that were
fitted on one folder on another.

Examples:
  $ memfleet bench recall test/fixtures/recall
  $ memfleet bench recall corpus --json`,
    )
    .action(async (folder: string, options: RecallFlags, command: Command) => {
      const { benchRecall } = await import('../bench/recall/bench-recall.ts');
      await benchRecall(globalsOf(command), folder, {
        fit: options.fit === true,
        model: options.model === true,
      });
    });
}
