import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNatsServer } from '@memfleet/local';
import { connectBroker, jetStreamManager, RuntimeError } from '@memfleet/runtime';
import { type Broker, openBroker, readConfig } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';

/** The configured server, or an embedded one for the duration of the bench. */
export async function openBenchBroker(globals: Globals): Promise<Broker> {
  try {
    return await openBroker(globals, 'bench');
  } catch (error) {
    const noneNamed = error instanceof RuntimeError && error.code === 'BROKER_UNREACHABLE';
    if (!noneNamed || isNamed(globals)) throw error;
  }
  return await startBroker(globals);
}

/** A user who names a server wants to measure that server. */
function isNamed({ context }: Globals): boolean {
  return Boolean(process.env['NATS_URL'] || process.env['NATS_URL_FILE'] || context);
}

async function startBroker(globals: Globals): Promise<Broker> {
  const folder = await mkdtemp(join(tmpdir(), 'memfleet-bench-'));
  const server = await startNatsServer({
    dataDir: folder,
    onProgress: (message) => note(`memfleet: ${message}`),
  });
  const end = async (): Promise<void> => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const config = await readConfig(globals);
    const connection = await connectBroker({ url: server.url }, config.broker, 'bench');
    return {
      config,
      connection,
      jsm: await jetStreamManager(connection, config.broker),
      async [Symbol.asyncDispose]() {
        await connection.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}
