import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

export interface NatsInfo {
  version: string;
  jetstream?: boolean;
}

/**
 * Connects and reads the INFO line that a NATS server sends first. Rejects when nothing listens, or when that line is not
 * from NATS.
 */
export async function readNatsInfo(
  host: string,
  port: number,
  timeoutMs = 5000,
): Promise<NatsInfo> {
  const socket = connect({ host, port });
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const lines = createInterface({ input: socket });
    // readline does not forward errors of its input.
    const failed = once(socket, 'error', { signal }).then(([error]) => {
      throw error;
    });
    failed.catch(() => undefined); // when the line wins the race, this rejection is no error
    const [line] = (await Promise.race([once(lines, 'line', { signal }), failed])) as [string];
    if (!line.startsWith('INFO {')) throw new Error(`port ${port} on ${host} is not a NATS server`);
    return JSON.parse(line.slice('INFO '.length)) as NatsInfo;
  } finally {
    socket.destroy();
  }
}
