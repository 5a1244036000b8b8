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

/** True when the same request may well be answered later: nobody answered it, or a server that is not ready. */
export function isTransientBrokerError(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return error.status === UNAVAILABLE;
  if (UNANSWERED.some((kind) => error instanceof kind)) return true;
  if (!(error instanceof Error)) return false;
  // The client's and our own errors say what caused them; a request that ended with its connection does not.
  if (error.cause === undefined) return error instanceof errors.RequestError;
  return isTransientBrokerError(error.cause);
}
