export interface FleetOptions {
  /** Holds the servers' data, the workers' logs and `fleet.json`; made if missing. One fleet at a time. */
  readonly stateDir: string;
  /** Settings that differ from config/fleet.yaml. */
  readonly configFile?: string | undefined;
  /** NATS_URL and DATABASE_URL (or their *_FILE) name servers to use instead of embedded ones. */
  readonly env: NodeJS.ProcessEnv;
  /** Processes per worker; default one of each. */
  readonly workers?: Readonly<Record<string, number>> | undefined;
  /** False risks the embedded servers' data in a crash of the machine, for speed; default true. */
  readonly durable?: boolean | undefined;
  /** Ends the start early; servers and workers that have started are stopped again. */
  readonly signal?: AbortSignal | undefined;
  /** One line for people about a step, or about a worker that ended and is restarted. */
  readonly onProgress?: ((message: string) => void) | undefined;
  /** Each line that a worker logs, beside its log file. */
  readonly onWorkerLine?: ((worker: string, line: string) => void) | undefined;
}

/** A worker process of the fleet. It is restarted when it ends by itself. */
export interface RunningWorker {
  /** `extraction`, or `extraction-2` where there are several. */
  readonly name: string;
  /** Id of the current process; undefined between an end and the next start. */
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly logFile: string;
}

/** Servers and workers, ready for events. */
export interface Fleet {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  /** Whether each server is embedded, or was given. */
  readonly embedded: { readonly nats: boolean; readonly postgres: boolean };
  readonly workers: readonly RunningWorker[];
  readonly logDir: string;
  /** Settles when the fleet cannot continue (a server ended by itself), with one sentence that says why. */
  readonly failed: Promise<string>;
  /** Ends gracefully: workers drain, then the servers stop. A second call waits for the same end. */
  readonly stop: () => Promise<void>;
  /** Ends the workers at once; the servers still stop in order, so that no data is lost. */
  readonly kill: () => Promise<void>;
}
