import { setTimeout as delay } from 'node:timers/promises';
import type { LaneMonitor } from './lane-state.ts';

/** The most that a batch of a rebuild waits: it is slowed down, and never starved. */
const MOST_MS = 50;
const POLL_MS = 2;

/**
 * Lets others go first. Tables that are read come before tables that are being rebuilt: between two
 * of its batches a lane of the latter waits until none of the former has a transaction under way.
 */
export async function giveWayTo(others: readonly LaneMonitor[]): Promise<void> {
  const deadline = performance.now() + MOST_MS;
  while (others.some(({ inFlight }) => inFlight > 0) && performance.now() < deadline) {
    await delay(POLL_MS);
  }
}
