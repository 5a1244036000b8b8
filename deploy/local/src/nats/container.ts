import { join } from 'node:path';
import type { ContainerEngine } from '../container-engine.ts';
import { containerLife, containerOutput, exposed } from '../container.ts';
import type { LocalServer } from '../server.ts';
import { natsConfig } from './config.ts';
import type { NatsStart } from './options.ts';
import { readNatsInfo } from './ready.ts';

export const natsImage = 'nats:2.15.1';

/**
 * Runs nats-server in a container. The store is a bind mount with the same folder and format as without a container, so
 * that a fleet can switch between the two.
 */
export async function startNatsContainer(
  engine: ContainerEngine,
  start: NatsStart,
): Promise<LocalServer> {
  const { GenericContainer, Wait } = await import('testcontainers');
  start.onProgress?.(`starting nats-server in a container (${natsImage})`);
  const config = natsConfig({
    host: '0.0.0.0',
    port: 4222,
    storeDir: '/data',
    extra: start.config,
  });
  const output = containerOutput(start.log);
  const container = await new GenericContainer(natsImage)
    .withCommand(['--config', '/memfleet.conf'])
    .withCopyContentToContainer([{ content: config, target: '/memfleet.conf', mode: 0o444 }])
    .withBindMounts([{ source: join(start.dataDir, 'jetstream'), target: '/data', mode: 'rw' }])
    .withUser(engine.bindMountUser)
    .withExposedPorts(exposed(4222, start.port))
    .withLogConsumer(output.consume)
    .withWaitStrategy(Wait.forLogMessage(/Server is ready/))
    .start();
  try {
    const [host, port] = [container.getHost(), container.getMappedPort(4222)];
    const { version } = await readNatsInfo(host, port);
    return {
      url: `nats://${host}:${port}`,
      port,
      version,
      ...containerLife(container, output.ended),
    };
  } catch (error) {
    await container.stop({ timeout: 0 });
    throw error;
  }
}
