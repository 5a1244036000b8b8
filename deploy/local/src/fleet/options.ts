export interface FleetOptions {
  /** Holds the servers' data, the workers' logs and `fleet.json`; made if missing. One fleet at a time. */
  readonly stateDir: string;
  /** Settings that differ from config/fleet.yaml. */
  readonly configFile?: string | undefined;
  /** NATS_URL and DATABASE_URL (or their *_FILE) name servers to use instead of embedded ones. */
  readonly env: NodeJS.ProcessEnv;
  /** Processes per worker; default one of each. */
  readonly workers?: Readonly<Record<string, number>> | undefined;
  /** False gives up the embedded servers' data after a crash of the machine, for speed; default true. */
  readonly durable?: boolean | undefined;
  /** Ends the start early; what was started is stopped again. */
  readonly signal?: AbortSignal | undefined;
  /** One line for people about a step, or about a worker that ended and is started again. */
  readonly onProgress?: ((message: string) => void) | undefined;
  /** Each line that a worker logs, beside its log file. */
  readonly onWorkerLine?: ((worker: string, line: string) => void) | undefined;
}

/** A worker process of the fleet. It is started again when it ends by itself. */
export interface RunningWorker {
  /** `extraction`, or `extraction-2` where there are several. */
  readonly name: string;
  /** Of the process as it is now; undefined between an end and the next start. */
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly logFile: string;
}

/** Servers and workers, ready for events. */
export interface Fleet {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  /** Whether they are embedded, or were given. */
  readonly embedded: { readonly nats: boolean; readonly postgres: boolean };
  readonly workers: readonly RunningWorker[];
  readonly logDir: string;
  /** Settles when the fleet cannot go on (a server ended by itself), with one sentence that says why. */
  readonly failed: Promise<string>;
  /** Orderly end: workers drain, then the servers stop. Calling it again waits for the same end. */
  readonly stop: () => Promise<void>;
  /** Ends the workers at once; the servers still stop in order, so that no data is lost. */
  readonly kill: () => Promise<void>;
}
