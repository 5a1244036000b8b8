import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@memfleet/local';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepPorts, keptPorts } from '../../../deploy/local/src/fleet/ports.ts';

describe('ports kept between runs', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'memfleet-ports-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('are none in a new folder', async () => {
    expect(await keptPorts(folder)).toEqual({});
  });

  it('are those of the last run while no other process has them', async () => {
    const [nats, postgres] = [await freePort(), await freePort()];
    await keepPorts(folder, { nats, postgres });
    expect(await keptPorts(folder)).toEqual({ nats, postgres });
    const other = createServer().listen({ port: nats, host: '127.0.0.1' });
    await once(other, 'listening');
    expect(await keptPorts(folder)).toEqual({ nats: undefined, postgres });
    other.close();
  });

  it('stay when the other server is an external one', async () => {
    const [nats, postgres] = [await freePort(), await freePort()];
    await keepPorts(folder, { nats, postgres });
    await keepPorts(folder, { postgres });
    expect(await keptPorts(folder)).toEqual({ nats, postgres });
  });

  it.each(['', '{"nats":', 'null', '{"nats":"x","postgres":70000}'])(
    'are forgotten when the file says %j',
    async (text) => {
      await writeFile(join(folder, 'ports.json'), text);
      expect(await keptPorts(folder)).toEqual({ nats: undefined, postgres: undefined });
    },
  );
});
