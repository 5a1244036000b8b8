import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { expect, inject, test } from 'vitest';
import { readLog } from '../../support/log-stream.ts';
import { until } from '../../support/until.ts';
import { createCliFleet, startCli } from './run-cli.ts';

/** A connection to the broker that can be cut and restored. */
class Line {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  port = 0;

  async restore(): Promise<void> {
    const target = new URL(inject('natsUrl'));
    const server = createServer((near) => {
      const far = connect(Number(target.port), target.hostname);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => this.#sockets.delete(socket));
      }
      near.on('close', () => far.destroy()).pipe(far);
      far.on('close', () => near.destroy()).pipe(near);
    });
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async cut(): Promise<void> {
    const closed = this.#server === undefined ? undefined : once(this.#server, 'close');
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

test('publish waits for a lost connection, says so, and loses no event', async () => {
  await using fleet = await createCliFleet();
  const line = new Line();
  await line.restore();
  const child = startCli(['publish', '-', '--json'], {
    env: { ...fleet.env, NATS_URL: `nats://127.0.0.1:${line.port}` },
    cwd: fleet.folder,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close');
  const write = (from: number, to: number): void => {
    for (let number = from; number < to; number += 1) {
      const data = { content: `text ${number}` };
      child.stdin.write(
        `${JSON.stringify({ tenant: 'acme', memory: `m-${number % 9}`, type: 'memory.created', data })}\n`,
      );
    }
  };
  const stored = () => readLog(fleet.broker.connection, fleet.config.log);

  write(0, 100);
  await until('the first hundred are stored', async () => (await stored()).length === 100);
  await line.cut();
  await until('it says so', () => stderr.includes('the connection to NATS is lost'));
  write(100, 500);
  child.stdin.end();
  await line.restore();
  expect(await closed).toEqual([0, null]);
  await line.cut();

  expect(stderr).toContain('the connection to NATS is back');
  const counts = JSON.parse(stdout) as { published: number; duplicates: number; rejected: number };
  // An append that was stored but not confirmed is repeated, and is then a duplicate.
  expect(counts.published + counts.duplicates).toBe(500);
  expect(counts.rejected).toBe(0);
  const contents = (await stored()).map(
    ({ bytes }) =>
      (JSON.parse(Buffer.from(bytes).toString()) as { data: { content: string } }).data.content,
  );
  expect(new Set(contents).size).toBe(500);
  expect(contents).toHaveLength(500);
});
