import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A gate in front of a server: while it is closed, data sent through it waits, or is refused. */
export interface TcpGate extends AsyncDisposable {
  readonly port: number;
  /** Holds data back until it opens again. */
  close(): void;
  /** Ends every connection, and allows no new one. */
  cut(): void;
  open(): void;
}

export async function startTcpGate(host: string, port: number): Promise<TcpGate> {
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  let isOpen = true;
  let isCut = false;
  const server = createServer((client) => {
    if (isCut) {
      client.on('error', () => undefined);
      client.destroy();
      return;
    }
    const target = connect({ host, port });
    clients.add(client);
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => to.write(data));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        clients.delete(from);
        to.destroy();
      });
    }
    if (!isOpen) client.pause();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      isOpen = false;
      for (const client of clients) client.pause();
    },
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    open() {
      isOpen = true;
      isCut = false;
      for (const client of clients) client.resume();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
