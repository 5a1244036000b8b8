import { once } from 'node:events';
import type { Fleet } from '@memfleet/local';
import { RuntimeError } from '@memfleet/runtime';
import { note } from '../output.ts';
import type { StopRequests } from './stop-requests.ts';

/**
 * Keeps a fleet running until somebody asks it to end, and ends it.
 * @throws RuntimeError FLEET_FAILED when a server ended by itself
 */
export async function holdFleet(fleet: Fleet, requests: StopRequests): Promise<void> {
  const failure = await Promise.race([aborted(requests.orderly), fleet.failed]);
  if (failure === undefined) note('memfleet: stopping: the workers finish the events they hold');
  await endFleet(fleet, requests);
  if (failure !== undefined) throw new RuntimeError('FLEET_FAILED', failure);
  note('memfleet: stopped');
}

/** Ends the fleet gracefully; a second request cuts that short. */
export async function endFleet(fleet: Fleet, { quick }: StopRequests): Promise<void> {
  const hurry = (): void => void fleet.kill();
  quick.addEventListener('abort', hurry, { once: true });
  await fleet.stop();
  quick.removeEventListener('abort', hurry);
}

async function aborted(signal: AbortSignal): Promise<undefined> {
  if (!signal.aborted) await once(signal, 'abort');
  return undefined;
}
