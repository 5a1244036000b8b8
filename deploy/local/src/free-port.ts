import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

/**
 * Below the ports that systems use for outgoing connections (Linux: 32768 and up). Such a connection could
 * take the port of a server while it restarts.
 */
const PORTS = { from: 20_000, to: 32_768 } as const;
const TRIES = 50;

/** Ports handed out in this process, which may not be listened on yet. */
const given = new Set<number>();

/**
 * A TCP port that was free a moment ago. Another process may take it before it is used, so callers that can
 * retry must.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (given.has(port)) continue;
    given.add(port);
    if ((await listenedOn(port, host)) !== undefined) return port;
  }
  const port = await listenedOn(0, host);
  if (port === undefined) throw new Error(`no TCP port on ${host}`);
  return port;
}

/** @returns the port, if it is possible to listen on it; otherwise undefined */
async function listenedOn(port: number, host: string): Promise<number | undefined> {
  const server = createServer();
  server.listen({ port, host });
  try {
    await once(server, 'listening');
  } catch {
    return undefined;
  }
  const { port: found } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return found;
}
