import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Fleet, startFleet } from '@memfleet/local';
import { streamInfo } from '@memfleet/runtime';
import { CommandError } from '../failure.ts';
import { readConfig } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note, printJson, printLine } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { endFleet, holdFleet } from '../up/foreground.ts';
import { type StopRequests, stopRequests } from '../up/stop-requests.ts';
import { appendConversations } from './append.ts';
import { askAll } from './ask.ts';
import { caughtUp } from './backlog.ts';
import { connectTo } from './connect.ts';
import { type Conversations, generateConversations } from './conversations/generate.ts';
import { whatWasLearnt } from './learnt.ts';
import { countModelCalls } from './model-calls.ts';
import { type DemoReport, describeReport, describeWhatNext } from './report.ts';
import { openStateFolder, type StateFolder } from './state-folder.ts';

/** Any number will do: it makes the conversations the same everywhere. */
const SEED = 7;

export async function demo(
  globals: Globals,
  options: { readonly keep: boolean; readonly stateDir: string | undefined },
): Promise<void> {
  const folder = await openStateFolder(options.stateDir, options.keep);
  const requests = stopRequests();
  let wantsLogs = false;
  try {
    await run(globals, folder, options.keep, requests);
  } catch (error) {
    if (requests.orderly.aborted) {
      throw new CommandError('interrupted', 'Run `memfleet demo` again; it starts from nothing.');
    }
    wantsLogs = existsSync(logsIn(folder));
    if (wantsLogs) note(`memfleet: the logs of the demo's fleet are in ${logsIn(folder)}`);
    throw error;
  } finally {
    requests.dispose();
    if (folder.temporary && !wantsLogs) await folder.remove();
  }
}

async function run(
  globals: Globals,
  folder: StateFolder,
  keep: boolean,
  requests: StopRequests,
): Promise<void> {
  const started = performance.now();
  note('memfleet: starting NATS, PostgreSQL and the workers');
  const fleet = await startFleet({
    stateDir: folder.path,
    configFile: globals.configFile,
    env: withoutServers(process.env),
    durable: !folder.temporary,
    signal: requests.orderly,
    onProgress: (message) => note(`memfleet: ${message}`),
  });
  try {
    const { report, logEvents } = await Promise.race([
      learn(globals, fleet, requests.orderly, started),
      brokenDown(fleet),
    ]);
    if (globals.json) await printJson(report);
    else await printLine(describeReport(report, logEvents));
    if (!keep) return;
    note(describeWhatNext(folder.path, report));
    await holdFleet(fleet, requests);
  } finally {
    await endFleet(fleet, requests);
  }
}

async function learn(
  globals: Globals,
  fleet: Fleet,
  signal: AbortSignal,
  started: number,
): Promise<{ readonly report: DemoReport; readonly logEvents: number }> {
  await using connections = await connectTo(fleet, await readConfig(globals));
  const { jsm, pool, config } = connections;
  const { events, questions }: Conversations = generateConversations(SEED);
  const publishing = new ProgressBar({ label: 'publishing', total: events.length });
  note(`memfleet: publishing ${events.length} events of generated conversations`);
  await appendConversations(connections, events, { bar: publishing, signal }).finally(() =>
    publishing.end(),
  );
  note('memfleet: waiting until everything is extracted, embedded and projected');
  const learning = new ProgressBar({ label: 'learning' });
  await caughtUp(jsm, config, { bar: learning, signal }).finally(() => learning.end());
  const { parked, ...learnt } = await whatWasLearnt(pool);
  if (parked > 0) {
    throw new CommandError(
      `the fleet gave up on ${parked === 1 ? '1 event' : `${parked} events`}`,
      'The logs of the workers say why.',
    );
  }
  const modelCalls = await countModelCalls(connections);
  const recalls = await askAll(connections, questions);
  const { state } = await streamInfo(jsm, config.log.stream);
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  return {
    report: { events: events.length, ...learnt, modelCalls, seconds, recalls },
    logEvents: state.last_seq,
  };
}

async function brokenDown(fleet: Fleet): Promise<never> {
  throw new CommandError(await fleet.failed, 'Run `memfleet demo` again.');
}

/** A demo never publishes to the servers that people work with. */
function withoutServers(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = ['NATS_URL', 'NATS_CREDS', 'DATABASE_URL'];
  const hidden = new Set(names.flatMap((name) => [name, `${name}_FILE`]));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.has(name)));
}

function logsIn({ path }: StateFolder): string {
  return join(path, 'logs');
}
