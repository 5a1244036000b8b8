import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCliFleet, runCli, startCli } from './run-cli.ts';

test('the real binary: help is exit code 0, wrong usage 2', async () => {
  const [help, wrong] = await Promise.all([runCli(['publish', '--help']), runCli(['stauts'])]);
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('Usage: memfleet publish');
  expect(wrong).toEqual({
    code: 2,
    stdout: '',
    stderr: "memfleet: unknown command 'stauts', did you mean status? See --help.\n",
  });
});

test('three mistakes in the configuration are reported at once, with near names', async () => {
  await using fleet = await createCliFleet({ provisioned: false });
  const config = join(fleet.folder, 'wrong.yaml');
  await writeFile(
    config,
    'log:\n  strem: X\nstages:\n  extraction:\n    ackWait: 30\nprojections:\n  lanes: 0\n',
  );
  const commands = [['status'], ['publish', '-']];
  const ended = await Promise.all(
    commands.map((command) => fleet.run([...command, '--config', config, '--json'])),
  );
  for (const { code, stdout, stderr } of ended) {
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('the configuration has 3 problems:');
    expect(stderr).toContain('unknown setting log.strem, did you mean stream?');
    expect(stderr).toContain('stages.extraction.ackWait: must be a duration');
    expect(stderr).toContain('projections.lanes: ');
  }
});

test('a database that does not answer gives one sentence, without its password', async () => {
  await using fleet = await createCliFleet({ provisioned: false });
  const env = { DATABASE_URL: 'postgres://user:hunter2@127.0.0.1:1/memories' };
  const commands = [['status'], ['recall', 'a', 'b']];
  const ended = await Promise.all(
    commands.map((command) => fleet.run([...command, '--json'], { env })),
  );
  for (const { code, stdout, stderr } of ended) {
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^memfleet: PostgreSQL at postgres:\/\/127\.0\.0\.1:1\/memories does not answer: .*ECONNREFUSED.* Check DATABASE_URL .*\n$/,
    );
    expect(stderr).not.toContain('hunter2');
  }
});

test('a broker that does not answer, or none at all, gives one sentence', async () => {
  await using fleet = await createCliFleet({ provisioned: false });
  const gone = await fleet.run(['publish', '-'], { env: { NATS_URL: 'nats://127.0.0.1:1' } });
  expect(gone.code).toBe(1);
  expect(gone.stderr).toMatch(
    /^memfleet: NATS at 127\.0\.0\.1:1 does not answer: .* Check NATS_URL .*\n$/,
  );
  const none = await runCli(['publish', '-'], { cwd: fleet.folder });
  expect(none.code).toBe(1);
  expect(none.stderr).toMatch(
    /^memfleet: no NATS_URL is set and no fleet runs in \.memfleet\. .*\n$/,
  );
});

/** Answers like a server of an older version, as far as a client checks before its first request. */
async function oldServer(version: string): Promise<Server> {
  const server = createServer((socket) => {
    const info = { server_id: 'old', version, proto: 1, headers: true, max_payload: 1_048_576 };
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (data) => {
      if (data.toString().includes('PING')) socket.write('PONG\r\n');
    });
    socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

test('a server that is too old gives one sentence that names both versions', async () => {
  await using fleet = await createCliFleet({ provisioned: false });
  const server = await oldServer('2.9.10');
  const { port } = server.address() as AddressInfo;
  const { code, stderr } = await fleet.run(['provision'], {
    env: { NATS_URL: `nats://127.0.0.1:${port}` },
  });
  server.close();
  expect(code).toBe(1);
  expect(stderr).toBe(
    `memfleet: nats-server at 127.0.0.1:${port} is version 2.9.10; memfleet needs 2.14.4 or newer. Upgrade nats-server.\n`,
  );
});

test('a fleet that is not provisioned says what to run', async () => {
  await using fleet = await createCliFleet({ provisioned: false });
  const commands = [['status'], ['events', 'history', 'acme', 'm-1']];
  const [recalled, ...ended] = await Promise.all([
    fleet.run(['recall', 'acme', 'tea']),
    ...commands.map((command) => fleet.run(command)),
  ]);
  for (const { code, stderr } of ended) {
    expect(code).toBe(1);
    expect(stderr).toContain(`stream ${fleet.config.log.stream} does not exist.`);
    expect(stderr).toContain('Run `memfleet provision`');
  }
  const { code, stderr } = recalled;
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^memfleet: the read models are not there: .* Run `memfleet provision`\.\n$/,
  );
});

test('a reader that leaves early is no failure', async () => {
  const child = startCli(['--help']);
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(0);
  expect(stderr).toBe('');
});
