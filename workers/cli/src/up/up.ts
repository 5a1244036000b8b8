import { resolve } from 'node:path';
import { type Fleet, startFleet } from '@memfleet/local';
import { redactServers, redactUrl } from '@memfleet/runtime';
import { UsageError } from '../failure.ts';
import { DEFAULT_STATE_DIR, type Globals } from '../globals.ts';
import { note, printJson, printLine } from '../output.ts';
import { holdFleet } from './foreground.ts';
import { stopRequests } from './stop-requests.ts';

/** Runs a fleet in the foreground until somebody asks it to end. */
export async function up(
  globals: Globals,
  workers: Readonly<Record<string, number>>,
): Promise<void> {
  if (globals.context !== undefined) {
    throw new UsageError('`up` does not take --context: name the server in NATS_URL');
  }
  const requests = stopRequests();
  try {
    const fleet = await startFleet({
      stateDir: globals.stateDir,
      configFile: globals.configFile,
      env: process.env,
      workers,
      signal: requests.orderly,
      onProgress: (message) => note(`memfleet: ${message}`),
    });
    await sayReady(fleet, globals);
    await holdFleet(fleet, requests);
  } catch (error) {
    // A request to end during the start is no failure.
    if (!requests.orderly.aborted || error !== requests.orderly.reason) throw error;
    note('memfleet: stopped before it was ready');
  } finally {
    requests.dispose();
  }
}

async function sayReady(fleet: Fleet, { json, stateDir }: Globals): Promise<void> {
  const { natsUrl, databaseUrl } = fleet;
  if (json) await printJson({ ready: true, natsUrl, databaseUrl, consoleUrl: null });
  else await printLine(whatRuns(fleet, stateDir));
}

function whatRuns({ natsUrl, databaseUrl, embedded, workers, logDir }: Fleet, stateDir: string) {
  const state = stateDir === DEFAULT_STATE_DIR ? '' : ` --state ${stateDir}`;
  return [
    `The fleet is ready, its state is kept in ${resolve(stateDir)}.`,
    '',
    `  NATS        ${redactServers(natsUrl)} (${origin(embedded.nats)})`,
    `  PostgreSQL  ${redactUrl(databaseUrl)} (${origin(embedded.postgres)})`,
    ...workers.map(
      ({ name, pid, logFile }) => `  ${name.padEnd(10)}  process ${pid ?? '-'}, log ${logFile}`,
    ),
    `  servers     logs in ${logDir}`,
    '',
    'From another terminal:',
    `  memfleet publish${state} memories.jsonl     append events`,
    `  memfleet status${state}                     what waits, what runs`,
    `  memfleet recall${state} <tenant> <query>    search the memories`,
    '',
    'Ctrl-C ends it gracefully.',
  ].join('\n');
}

function origin(isEmbedded: boolean): string {
  return isEmbedded ? 'embedded' : 'as given';
}
