import { createServer, type Server } from 'node:net';
import { connectBroker, isAtLeast, MINIMUM_SERVER, redactServers } from '@memfleet/runtime';
import { expect, inject, test } from 'vitest';
import { testSettings } from '../../support/settings.ts';

const settings = { ...testSettings().broker, connectTimeout: 2_000 };

/** A server that introduces itself, and then gives the configured answer. */
async function fakeServer(
  version: string,
  answer: (line: string) => string,
): Promise<AsyncDisposable & { readonly url: string }> {
  const server: Server = createServer((socket) => {
    const info = { server_id: 'FAKE', version, proto: 1, max_payload: 1_048_576, headers: true };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (data) => socket.write(answer(data.toString())));
    socket.on('error', () => socket.destroy());
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `nats://user:hidden@127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

test('it connects to a server that is new enough', async () => {
  const connection = await connectBroker({ url: inject('natsUrl') }, settings, 'test');
  expect(isAtLeast(connection.info?.version ?? '', MINIMUM_SERVER)).toBe(true);
  await connection.close();
});

test('an older server is refused, with both versions named', async () => {
  await using old = await fakeServer('2.9.10', (line) => (line.includes('PING') ? 'PONG\r\n' : ''));
  const error: unknown = await connectBroker({ url: old.url }, settings, 'test').catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: 'BROKER_TOO_OLD' });
  expect(String(error)).toMatch(/is version 2\.9\.10; memfleet needs 2\.14\.4 or newer/);
  expect(String(error)).not.toContain('hidden');
});

test('wrong credentials differ from a server that is not there', async () => {
  await using strict = await fakeServer('2.15.1', () => `-ERR 'Authorization Violation'\r\n`);
  await expect(connectBroker({ url: strict.url }, settings, 'test')).rejects.toMatchObject({
    code: 'BROKER_REFUSED',
  });
  await expect(
    connectBroker({ url: 'nats://127.0.0.1:1' }, settings, 'test'),
  ).rejects.toMatchObject({ code: 'BROKER_UNREACHABLE' });
});

test('versions are compared by number, pre-releases by their release', () => {
  expect(isAtLeast('2.15.1', '2.14.4')).toBe(true);
  expect(isAtLeast('2.14.4', '2.14.4')).toBe(true);
  expect(isAtLeast('2.14.10', '2.14.4')).toBe(true);
  expect(isAtLeast('3.0.0-beta.1', '2.14.4')).toBe(true);
  expect(isAtLeast('2.9.10', '2.14.4')).toBe(false);
  expect(isAtLeast('2.14.3', '2.14.4')).toBe(false);
});

test('addresses are shown without user and password', () => {
  expect(redactServers('nats://u:p@a:1, tls://t@b:2,c:3')).toBe('a:1,tls://b:2,c:3');
});
