/** Every way in which local servers can fail, so that callers and docs can name them. */
export type LocalErrorCode =
  | 'no_nats_server'
  | 'nats_server_too_old'
  | 'nats_server_failed'
  | 'no_postgres'
  | 'postgres_failed'
  | 'postgres_other_version'
  | 'no_user_for_postgres'
  | 'no_container_engine'
  | 'data_in_use';

/** A local server that cannot be had. The message is a sentence that says what to do. */
export class LocalError extends Error {
  readonly code: LocalErrorCode;

  constructor(code: LocalErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LocalError';
    this.code = code;
  }
}

/** The system's code of an error (`ENOENT`, ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
