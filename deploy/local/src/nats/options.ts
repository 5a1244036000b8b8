import type { ServerCallbacks } from '../server.ts';

export interface NatsServerOptions extends ServerCallbacks {
  /** Holds the JetStream store and the server's files; made if missing, and belongs to this server alone. */
  dataDir: string;
  /** A fixed port, such as the one before a restart; by default a free one. */
  port?: number | undefined;
  /** Where it listens; default 127.0.0.1. */
  host?: string | undefined;
  /** More nats-server configuration; its keys win over ours. */
  config?: string | undefined;
}

/** Everything a start needs once only the kind of server is open. */
export interface NatsStart extends ServerCallbacks {
  dataDir: string;
  host: string;
  port: number | undefined;
  config: string | undefined;
}
