import type { ServerCallbacks } from '../server.ts';

export interface PostgresOptions extends ServerCallbacks {
  /** Holds the database cluster; made if missing, and belongs to this server alone. */
  dataDir: string;
  /** A fixed port, such as the one before a restart; by default a free one. */
  port?: number | undefined;
  /** False risks the data in a crash of the machine, for speed; default true. */
  durable?: boolean | undefined;
  /** Server settings that win over ours, such as `{ max_connections: '20' }`. */
  settings?: Readonly<Record<string, string>> | undefined;
}

/** Everything a start needs once only the kind of server is open. */
export interface PostgresStart extends ServerCallbacks {
  port: number | undefined;
  durable: boolean;
  settings: Record<string, string>;
}
