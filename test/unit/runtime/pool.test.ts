import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createPool, transaction } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { testSettings } from '../../support/settings.ts';

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** The single packet of a server that is killed as soon as it has accepted a connection. */
const LET_IN_AND_KILLED = Buffer.concat([
  message('R', Buffer.from([0, 0, 0, 0])),
  message('Z', Buffer.from('I')),
  message('E', Buffer.from('SFATAL\0C57P02\0Mterminating connection\0\0')),
]);

test('a server that dies in the packet that accepts the connection fails the transaction, not the process', async () => {
  const server = createServer((socket) => {
    socket.once('data', () => socket.end(LET_IN_AND_KILLED));
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { database } = testSettings();
  const pool = createPool(`postgres://u:p@127.0.0.1:${port}/d`, database, { name: 'test' });
  // An unhandled error event would end the process: vitest reports it as a failure.
  await expect(transaction(pool, async (client) => await client.query('select 1'))).rejects.toThrow(
    'connection',
  );
  await pool.end();
  server.close();
});
