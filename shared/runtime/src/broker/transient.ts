import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

const UNAVAILABLE = 503;
const UNANSWERED = [
  errors.TimeoutError,
  errors.NoRespondersError,
  errors.ConnectionError,
  errors.ClosedConnectionError,
  errors.DrainingConnectionError,
];

/** True when the same request may succeed later: nobody answered it, or the server was not ready. */
export function isTransientBrokerError(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status === UNAVAILABLE;
  if (UNANSWERED.some((kind) => error instanceof kind)) return true;
  if (!(error instanceof Error)) return false;
  // Errors of the client and of ours have a cause; a request that ended with its connection has none.
  if (error.cause === undefined) return error instanceof errors.RequestError;
  return isTransientBrokerError(error.cause);
}
