import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { StartedTestContainer } from 'testcontainers';
import type { LocalServer, ServerExit } from './server.ts';

/** The part of LocalServer common to all containers. testcontainers' reaper ends the container when we die. */
export function containerLife(
  container: StartedTestContainer,
  ended: Promise<void>,
): Pick<LocalServer, 'pid' | 'exited' | 'stop' | 'kill'> {
  let wanted = false;
  let ending: Promise<unknown> | undefined;
  const exited: Promise<ServerExit> = ended.then(() => ({ wanted, reason: 'container ended' }));
  const end = async (timeout: number): Promise<void> => {
    wanted = true;
    ending ??= container.stop({ timeout, remove: true, removeVolumes: true });
    await ending;
    await exited;
  };
  return {
    pid: undefined,
    exited,
    stop: () => end(15_000),
    // The engine sends SIGKILL right after its stop signal.
    kill: () => end(0),
  };
}

/** Passes a container's output on, line by line; its end is the container's end. */
export function containerOutput(log: ((line: string) => void) | undefined): {
  consume: (stream: Readable) => void;
  ended: Promise<void>;
} {
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const consume = (stream: Readable): void => {
    createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => log?.(line));
    stream.once('close', resolve);
  };
  return { consume, ended };
}

/** The host port of a container: the requested one, or one that the engine chooses. */
export function exposed(
  inside: number,
  outside: number | undefined,
): number | { container: number; host: number } {
  return outside === undefined ? inside : { container: inside, host: outside };
}
