import type { ServerCallbacks } from '../server.ts';

export interface PostgresOptions extends ServerCallbacks {
  /** Holds the database cluster; made if missing, and belongs to this server alone. */
  dataDir: string;
  /** A certain port, such as the one before a restart; left out, a free one is taken. */
  port?: number | undefined;
  /** False gives up the data after a crash of the machine, for speed; default true. */
  durable?: boolean | undefined;
  /** Server settings that win over ours, such as `{ max_connections: '20' }`. */
  settings?: Readonly<Record<string, string>> | undefined;
}

/** What a start needs when everything is decided but the kind of server. */
export interface PostgresStart extends ServerCallbacks {
  port: number | undefined;
  durable: boolean;
  settings: Record<string, string>;
}
