import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { RuntimeError } from '@memfleet/runtime';
import { systemCode } from '../errors.ts';
import { leash, type Leashed } from '../leash.ts';
import type { LocalServer } from '../server.ts';
import { natsConfig } from './config.ts';
import type { NatsBinary } from './find.ts';
import type { NatsStart } from './options.ts';
import { readNatsInfo } from './ready.ts';

// At its start the server scans a store of many million messages, and more thoroughly after a crash.
const startSeconds = 120;
// JetStream writes its state to disk when it stops.
const graceSeconds = 15;

/** Starts a nats-server binary on `start.dataDir`. */
export async function startNatsBinary(binary: NatsBinary, start: NatsStart): Promise<LocalServer> {
  const { dataDir, host, log } = start;
  // With port -1 the server itself takes a free port and writes it here, so nobody can take it in between.
  const portsDir = join(dataDir, 'ports');
  await rm(portsDir, { recursive: true, force: true });
  await mkdir(portsDir);
  const configFile = join(dataDir, 'nats-server.conf');
  const storeDir = join(dataDir, 'jetstream');
  const text = natsConfig({
    host,
    port: start.port ?? -1,
    storeDir,
    portsDir,
    extra: start.config,
  });
  // `config` may hold passwords.
  await writeFile(configFile, text, { mode: 0o600 });

  const server = await leash({
    command: binary.path,
    args: ['--config', configFile],
    stopSignal: 'SIGTERM',
    graceSeconds,
    onLine: log,
  });
  try {
    const port = start.port ?? (await waitForPort(server, portsDir));
    const reachable = host === '0.0.0.0' ? '127.0.0.1' : host;
    const { version } = await waitForInfo(server, reachable, port);
    const { pid, exited, stop, kill } = server;
    return { url: `nats://${reachable}:${port}`, port, version, pid, exited, stop, kill };
  } catch (error) {
    await server.kill();
    throw error;
  }
}

function waitForPort(server: Leashed, portsDir: string): Promise<number> {
  return untilReady(server, async () => {
    // The only file there, named after program and process.
    const file = (await readdir(portsDir)).find((name) => name.endsWith('.ports'));
    const text = file === undefined ? '' : await readFile(join(portsDir, file), 'utf8');
    // The file may be half-written for a moment.
    const url = /"nats":\s*\[\s*"([^"]+)"[^\]]*\]/.exec(text)?.[1];
    return url === undefined ? undefined : Number(new URL(url).port);
  });
}

function waitForInfo(server: Leashed, host: string, port: number): Promise<{ version: string }> {
  return untilReady(server, () =>
    readNatsInfo(host, port).catch((error: unknown) => {
      if (systemCode(error) === 'ECONNREFUSED') return undefined;
      throw error;
    }),
  );
}

/** Polls until `probe` has an answer; fails at once when the server ends. */
async function untilReady<T>(server: Leashed, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + startSeconds * 1000;
  const ended = server.exited.then(({ reason }) => {
    throw failed(`ended at its start (${reason})`, server);
  });
  // Only the start waits for it; a later exit is no error of the start.
  ended.catch(() => undefined);
  for (;;) {
    const answer = await Promise.race([probe(), ended]);
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) {
      throw failed(`did not answer within ${startSeconds} s`, server);
    }
    await Promise.race([wait(10), ended]);
  }
}

function failed(what: string, server: Leashed): RuntimeError {
  return new RuntimeError(
    'SERVER_FAILED',
    `nats-server ${what}; its last lines:\n${server.lastLines()}`,
  );
}
