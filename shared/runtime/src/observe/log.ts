import pino from 'pino';
import { messageOf } from '../errors.ts';

export type Logger = pino.Logger;

/**
 * Structured logs, one JSON object a line, on standard error: standard output belongs to what a
 * command prints. They name ids, positions and sizes, never contents; the redaction below is the
 * net under that rule, for objects that are logged whole by mistake.
 */
export function createLogger(options: {
  readonly worker: string;
  readonly level: string;
  readonly instance?: string;
}): Logger {
  const { worker, level, instance } = options;
  return pino(
    {
      level,
      base: { worker, ...(instance === undefined ? {} : { instance }) },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: [
          'data',
          'content',
          'payload',
          'event.data',
          '*.content',
          'apiKey',
          '*.apiKey',
          '*.password',
          'headers.authorization',
        ],
        censor: '[redacted]',
      },
      serializers: { error: serializeError },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}

/** Type, message, code and stack; no further fields, since drivers put rows and parameters there. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: messageOf(error) };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: messageOf(error),
    ...(typeof code === 'string' ? { code } : {}),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: serializeError(error.cause) }),
  };
}
