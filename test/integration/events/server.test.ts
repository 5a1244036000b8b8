import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEvent, type Envelope, Publisher, registry } from '@memfleet/events';
import { freePort, type LocalServer, startNatsServer } from '@memfleet/local';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogStream, readLog } from '../../support/log-stream.ts';

let dataDir = '';
const started: LocalServer[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'memfleet-events-'));
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.stop()));
  await rm(dataDir, { recursive: true, force: true });
});

/** A server of the test's own, on the same data each time. */
async function start(port: number, config?: string): Promise<LocalServer> {
  const server = await startNatsServer({ dataDir, port, config });
  started.push(server);
  return server;
}

function event(memory: string, content: string): Envelope {
  return createEvent({
    tenant: 'acme',
    memory,
    type: 'memory.created',
    source: '/agents/support',
    data: { content },
  });
}

test('a server killed in the middle of appends and batches loses and doubles nothing', async () => {
  const port = await freePort();
  const first = await start(port);
  const options = { maxReconnectAttempts: -1, reconnectTimeWait: 50, reconnectJitter: 0 };
  const connection = await connect({ servers: `nats://127.0.0.1:${port}`, ...options });
  const log = await createLogStream(connection);
  const publisher = new Publisher(connection, { log, ackTimeoutMs: 500, attempts: 60 });

  const events = Array.from({ length: 600 }, (_, index) => event(`m-${index % 7}`, `${index}`));
  const batches = Array.from({ length: 20 }, (_, batch) =>
    Array.from({ length: 10 }, (_item, index) => event(`b-${batch}`, `${index}`)),
  );
  const results: boolean[] = [];
  let restarted: Promise<unknown> | undefined;
  let inBatches: Promise<unknown[][]> = Promise.resolve([]);
  for await (const { ok } of publisher.appendAll(events, {
    window: 32,
    event: (item) => ({ event: item }),
  })) {
    results.push(ok);
    if (results.length === 190) {
      inBatches = Promise.all(batches.map((batch) => publisher.appendBatch(batch)));
    }
    if (results.length === 200) restarted = first.kill().then(() => start(port));
  }
  await restarted;
  const appended = await inBatches;

  expect(results).toEqual(events.map(() => true));
  expect(appended.flat()).toHaveLength(200);
  const stored = await readLog(connection, log);
  const contents = new Map<string, string[]>();
  for (const { bytes } of stored) {
    const decoded = registry.decode(bytes);
    if (decoded.kind !== 'known') throw new Error(decoded.reason);
    const { subject, data } = decoded.event;
    contents.set(subject, [
      ...(contents.get(subject) ?? []),
      (data as { content: string }).content,
    ]);
  }
  // Every event once, and those of one memory in the order they were given in.
  expect(stored).toHaveLength(800);
  for (const one of [events.filter(({ subject }) => subject === 'm-3'), ...batches]) {
    expect(contents.get(one[0]?.subject ?? '')).toEqual(one.map(({ data }) => data['content']));
  }
  await connection.close();
});

test('a publisher without permission is told so, at once and for good', async () => {
  const port = await freePort();
  await start(
    port,
    `authorization { users: [
      { user: admin, password: a },
      { user: reader, password: r, permissions: { publish: { deny: "log.>" } } }
    ] }`,
  );
  const servers = `nats://127.0.0.1:${port}`;
  const admin = await connect({ servers, user: 'admin', pass: 'a' });
  const log = await createLogStream(admin, { stream: 'LOG', root: 'log' });
  const reader = await connect({ servers, user: 'reader', pass: 'r' });
  const one = event('m-1', 'x');
  await expect(new Publisher(reader, { log, attempts: 1_000 }).append(one)).rejects.toMatchObject({
    code: 'APPEND_REFUSED',
    message: expect.stringMatching(/not permitted/) as unknown,
  });
  expect(await readLog(admin, log)).toEqual([]);
  expect(await new Publisher(admin, { log }).append(one)).toMatchObject({ duplicate: false });
  await Promise.all([admin.close(), reader.close()]);
});
