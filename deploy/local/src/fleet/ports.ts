import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';

/** The ports of the embedded servers, kept between runs so that connection URLs stay valid. */
export interface Ports {
  readonly nats?: number | undefined;
  readonly postgres?: number | undefined;
}

const fileIn = (stateDir: string): string => join(stateDir, 'ports.json');

/** The ports of the last run that are still free. */
export async function keptPorts(stateDir: string): Promise<Ports> {
  const { nats, postgres } = readPorts(stateDir);
  return { nats: await ifFree(nats), postgres: await ifFree(postgres) };
}

export async function keepPorts(stateDir: string, ports: Ports): Promise<void> {
  // The kept port of a server that was given this time does not change.
  await writeFile(fileIn(stateDir), `${JSON.stringify({ ...readPorts(stateDir), ...ports })}\n`);
}

function readPorts(stateDir: string): Ports {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(fileIn(stateDir), 'utf8'));
  } catch (error) {
    // There is no file yet, or it is incomplete: any free port will do.
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return {};
    throw error;
  }
  const { nats, postgres } = (found ?? {}) as Partial<Record<string, unknown>>;
  return { nats: portOf(nats), postgres: portOf(postgres) };
}

function portOf(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 && value < 65_536 ? value : undefined;
}

async function ifFree(port: number | undefined): Promise<number | undefined> {
  if (port === undefined) return undefined;
  const probe = createServer();
  try {
    probe.listen({ port, host: '127.0.0.1' });
    await once(probe, 'listening');
    probe.close();
    await once(probe, 'close');
    return port;
  } catch {
    return undefined; // another process has it
  }
}
