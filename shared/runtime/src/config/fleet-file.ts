import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** What `memfleet up` writes into its state folder once the fleet is ready. */
export const fleetFileSchema = z.object({
  pid: z.int(),
  natsUrl: z.string(),
  databaseUrl: z.string(),
  consoleUrl: z.string().nullable(),
});
export type FleetFile = z.output<typeof fleetFileSchema>;

export function fleetFilePath(stateDir: string): string {
  return join(stateDir, 'fleet.json');
}

/** The fleet that runs in the folder; undefined without one, or when its process has ended. */
export function readFleetFile(stateDir: string): FleetFile | undefined {
  let parsed;
  try {
    parsed = fleetFileSchema.safeParse(JSON.parse(readFileSync(fleetFilePath(stateDir), 'utf8')));
  } catch {
    // There is no file, or it is still being written: no fleet is ready there.
    return undefined;
  }
  return parsed.success && isAlive(parsed.data.pid) ? parsed.data : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
