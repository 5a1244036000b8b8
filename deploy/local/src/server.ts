/** A running local server. */
export interface LocalServer {
  /** Connection URL, with credentials where the server asks for them. */
  readonly url: string;
  readonly port: number;
  /** Version as the server itself reports it. */
  readonly version: string;
  /** Process id of the server; undefined when it runs in a container. */
  readonly pid: number | undefined;
  /** Settles when the server has ended, wanted or not; never rejects. */
  readonly exited: Promise<ServerExit>;
  /** Ends gracefully; resolves when the server is gone. A second call, or one after an exit, is harmless. */
  readonly stop: () => Promise<void>;
  /** Sends SIGKILL, for tests of a crash; resolves when the server is gone. */
  readonly kill: () => Promise<void>;
}

export interface ServerExit {
  /** Whether stop() or kill() asked for it. */
  readonly wanted: boolean;
  /** One line for people, such as "exit code 1" or "signal SIGKILL". */
  readonly reason: string;
}

/** The callbacks that every start function takes. Nothing is written to the console. */
export interface ServerCallbacks {
  /** Each line that the server prints. */
  log?: ((line: string) => void) | undefined;
  /** One line for people about a step that takes long, such as a download. */
  onProgress?: ((message: string) => void) | undefined;
}
