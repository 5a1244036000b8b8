import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startNatsServer } from '@memfleet/local';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';

describe('deploy/nats/server.conf', () => {
  it('is read by the server, and keeps every acknowledged event on disk', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'memfleet-conf-'));
    const monitor = await freePort();
    const config = (
      await readFile(join(import.meta.dirname, '../../../deploy/nats/server.conf'), 'utf8')
    )
      .replace('/data', join(folder, 'store'))
      .replace('0.0.0.0:8222', `127.0.0.1:${monitor}`)
      .replace('listen: 0.0.0.0:4222', '');
    const server = await startNatsServer({ dataDir: folder, config, port: await freePort() });
    try {
      const answer = await fetch(`http://127.0.0.1:${monitor}/varz`);
      const { jetstream } = (await answer.json()) as {
        jetstream: { config: { store_dir: string; sync_always?: boolean } };
      };
      expect(jetstream.config).toMatchObject({ sync_always: true });
      const health = await fetch(`http://127.0.0.1:${monitor}/healthz?js-enabled-only=true`);
      expect(health.status).toBe(200);
      const connection = await connect({ servers: server.url });
      expect(connection.info?.max_payload).toBe(1_048_576);
      await jetstreamManager(connection);
      await connection.close();
    } finally {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
