import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { containerFailed, findContainerEngine } from '../container-engine.ts';
import { lockData } from '../data-lock.ts';
import type { LocalServer } from '../server.ts';
import { natsImage, startNatsContainer } from './container.ts';
import { fetchNatsServer, findNatsServer } from './find.ts';
import type { NatsServerOptions, NatsStart } from './options.ts';
import { startNatsBinary } from './process.ts';

/**
 * Starts a nats-server with JetStream and resolves when it answers. It tries, in this order: the server named by
 * `MEMFLEET_NATS_SERVER`, one on the PATH, one fetched earlier, a container, and Debian's package, which it fetches. Its
 * `url` contains no user; throws RuntimeError.
 */
export async function startNatsServer(options: NatsServerOptions): Promise<LocalServer> {
  const { log, onProgress, config } = options;
  const dataDir = resolve(options.dataDir);
  const host = options.host ?? '127.0.0.1';
  await mkdir(join(dataDir, 'jetstream'), { recursive: true });
  const lock = lockData(dataDir, 'nats-server');
  try {
    const server = await startAny({ dataDir, host, port: options.port, config, log, onProgress });
    void server.exited.then(lock.release);
    return server;
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function startAny(start: NatsStart): Promise<LocalServer> {
  const binary = await findNatsServer();
  if (binary) return startNatsBinary(binary, start);
  const engine = await findContainerEngine();
  if (engine) {
    try {
      return await startNatsContainer(engine, start);
    } catch (error) {
      start.onProgress?.(containerFailed(natsImage, error));
    }
  }
  return startNatsBinary(await fetchNatsServer(start), start);
}
