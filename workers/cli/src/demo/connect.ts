import type { BuiltInConfig } from '@memfleet/fleet';
import type { Fleet } from '@memfleet/local';
import { checkDatabase, connectBroker, createPool, jetStreamManager } from '@memfleet/runtime';
import type { Fleet as Connections } from '../fleet.ts';

/** Connects to the command's own fleet, regardless of the servers that the environment names. */
export async function connectTo(
  { natsUrl, databaseUrl }: Pick<Fleet, 'natsUrl' | 'databaseUrl'>,
  config: BuiltInConfig,
): Promise<Connections> {
  const connection = await connectBroker({ url: natsUrl }, config.broker, 'demo');
  const pool = createPool(databaseUrl, config.database, { name: 'demo' });
  const dispose = async (): Promise<void> => {
    await Promise.all([connection.close(), pool.end()]);
  };
  try {
    await checkDatabase(pool, databaseUrl);
    const jsm = await jetStreamManager(connection, config.broker);
    return { config, connection, jsm, pool, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
