import { openProvisionedFleet, readConfig } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';
import { takeSnapshot } from '../status/snapshot.ts';
import { fleetVerdict, type Verdict } from './fleet-verdict.ts';
import { processVerdict } from './process-verdict.ts';

/** Prints one line; exit code 1 when the process or fleet makes no progress. */
export async function health(globals: Globals, url: string | undefined): Promise<void> {
  const endpoint = url ?? (await ownEndpoint(globals));
  const verdict = endpoint === undefined ? await askFleet(globals) : await processVerdict(endpoint);
  if (globals.json) await printJson(verdict);
  else await printLine(verdictText(verdict));
  if (!verdict.healthy) process.exitCode = 1;
}

async function askFleet(globals: Globals): Promise<Verdict> {
  await using fleet = await openProvisionedFleet(globals, 'health');
  return fleetVerdict(await takeSnapshot(fleet), fleet.config.workers.stalledAfter / 1_000);
}

/** The health endpoint of this container's worker, when its port is fixed. */
async function ownEndpoint(globals: Globals): Promise<string | undefined> {
  const { host, port } = (await readConfig(globals)).health;
  if (port === 0) return undefined;
  return `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}/healthz`;
}

function verdictText({ healthy, problems, about }: Verdict): string {
  return healthy ? `healthy: ${about}` : `unhealthy: ${problems.join('; ')}`;
}
