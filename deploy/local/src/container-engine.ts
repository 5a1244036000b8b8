import { request } from 'node:http';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '@memfleet/runtime';

/** A container engine that answers. */
export interface ContainerEngine {
  /** The user that a container must run as, so that files in a bind mount belong to us. */
  readonly bindMountUser: string;
}

/**
 * Looks for a Docker engine where testcontainers looks for it. We check first because loading testcontainers takes
 * longer than a whole start without it. `MEMFLEET_CONTAINERS=off` means that there is none.
 */
export async function findContainerEngine(
  env: NodeJS.ProcessEnv = process.env,
): Promise<ContainerEngine | undefined> {
  if (env['MEMFLEET_CONTAINERS'] === 'off') return undefined;
  for (const target of addresses(env)) {
    const info = await engineInfo(target);
    if (info?.OSType !== 'linux') continue;
    const rootless = info.SecurityOptions?.some((option) => option.includes('rootless')) ?? false;
    const { uid, gid } = userInfo();
    // In a rootless engine our own user is the container's root.
    return { bindMountUser: rootless || uid < 0 ? '0:0' : `${uid}:${gid}` };
  }
  return undefined;
}

type Address = { socketPath: string } | { host: string; port: string };

function addresses(env: NodeJS.ProcessEnv): Address[] {
  const given = env['DOCKER_HOST'];
  if (given) {
    const url = new URL(given);
    if (url.protocol === 'unix:') return [{ socketPath: url.pathname }];
    return [{ host: url.hostname, port: url.port || '2375' }];
  }
  const runtime = env['XDG_RUNTIME_DIR'];
  const sockets = [
    '/var/run/docker.sock',
    ...(runtime ? [join(runtime, '.docker/run/docker.sock'), join(runtime, 'docker.sock')] : []),
    join(homedir(), '.docker/run/docker.sock'),
    join(homedir(), '.docker/desktop/docker.sock'),
  ];
  return sockets.map((socketPath) => ({ socketPath }));
}

interface EngineInfo {
  OSType?: string;
  SecurityOptions?: string[];
}

/** Resolves to undefined when nothing with Docker's API answers: then there is no engine. */
function engineInfo(address: Address): Promise<EngineInfo | undefined> {
  return new Promise((resolve) => {
    const none = (): void => resolve(undefined);
    const asked = request({ ...address, path: '/info', timeout: 3000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('error', none).on('end', () => resolve(parse(body)));
    });
    asked
      .on('timeout', () => asked.destroy())
      .on('error', none)
      .on('close', none);
    asked.end();
  });
}

function parse(body: string): EngineInfo | undefined {
  try {
    return JSON.parse(body) as EngineInfo;
  } catch {
    return undefined; // another program listens there
  }
}

/** The message when a container did not start and a fallback is used. */
export function containerFailed(image: string, error: unknown): string {
  return `the container ${image} did not start (${messageOf(error)}), continuing without containers`;
}
