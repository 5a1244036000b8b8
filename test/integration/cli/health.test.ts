import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createCliFleet, runCli } from './run-cli.ts';

async function endpoint(status: number, body: string): Promise<Server & { readonly port: number }> {
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

test('a process that makes progress is exit code 0, one that does not 1, with the cause', async () => {
  const well = await endpoint(200, '{"healthy":true,"worker":"extraction","state":"idle"}');
  const ill = await endpoint(
    503,
    '{"healthy":false,"worker":"extraction","state":"halted","cause":"another stream"}',
  );
  const [healthy, unhealthy, gone] = await Promise.all([
    runCli(['health', '--url', `http://127.0.0.1:${well.port}/healthz`]),
    runCli(['health', '--json'], { env: { MEMFLEET_HEALTH_PORT: String(ill.port) } }),
    runCli(['health', '--url', 'http://127.0.0.1:1/healthz']),
  ]);
  well.close();
  ill.close();
  expect(healthy).toEqual({ code: 0, stdout: 'healthy: extraction is idle\n', stderr: '' });
  expect(unhealthy.code).toBe(1);
  expect(JSON.parse(unhealthy.stdout)).toEqual({
    healthy: false,
    about: 'extraction is halted',
    problems: ['extraction is halted: another stream'],
  });
  expect(gone.code).toBe(1);
  expect(gone.stdout).toMatch(
    /^unhealthy: http:\/\/127\.0\.0\.1:1\/healthz does not answer: .+\n$/,
  );
});

test('the whole fleet is healthy when every worker reports and no waiting event is neglected', async () => {
  await using fleet = await createCliFleet();
  const down = await fleet.run(['health']);
  expect(down.code).toBe(1);
  expect(down.stdout).toBe(
    'unhealthy: extraction is down: no process reports; embedding is down: no process reports; projection is down: no process reports\n',
  );
  for (const worker of ['extraction', 'embedding', 'projection']) {
    await fleet.database.pool.query(
      `insert into memfleet.worker_reports
        (instance, worker, host, pid, state, in_flight, processed, rate)
        values ($1, $1, 'host', 1, 'idle', 0, 0, 0)`,
      [worker],
    );
  }
  const up = await fleet.run(['health']);
  expect(up).toEqual({
    code: 0,
    stdout: 'healthy: extraction 0 waiting, embedding 0 waiting, projection 0 waiting\n',
    stderr: '',
  });
});

test('a URL that is not http is wrong usage', async () => {
  const { code, stderr } = await runCli(['health', '--url', 'file:///etc/passwd']);
  expect(code).toBe(2);
  expect(stderr).toContain('is not an http URL');
});
