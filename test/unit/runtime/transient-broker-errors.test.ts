import { isTransientBrokerError, RuntimeError } from '@memfleet/runtime';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { expect, test } from 'vitest';

function answered(status: number, code: number): JetStreamApiError {
  return new JetStreamApiError({ code: status, err_code: code, description: 'no' });
}

const forbidden = new errors.PermissionViolationError('no', 'publish', 'subject');

test.each([
  ['no answer in time', new errors.TimeoutError()],
  ['no server answers', new errors.NoRespondersError('subject')],
  ['a connection that ended meanwhile', new errors.RequestError('connection disconnected')],
  ['a request that nobody was there for', withCause(new errors.NoRespondersError('subject'))],
  ['a server that refuses connections', new errors.ConnectionError('connection refused')],
  ['a cluster without a leader', answered(503, 10008)],
  ['our error for any of them', ours(new errors.TimeoutError())],
])('%s may pass', (_, error) => {
  expect(isTransientBrokerError(error)).toBe(true);
});

test.each([
  ['a stream that does not exist', answered(404, 10059)],
  ['a request that makes no sense', answered(400, 10003)],
  ['a request that is not permitted', withCause(forbidden)],
  ['our error for such a refusal', ours(withCause(forbidden))],
  ['an error of the code', new TypeError('timeout')],
  ['no error at all', 'timeout'],
])('%s does not', (_, error) => {
  expect(isTransientBrokerError(error)).toBe(false);
});

function withCause(cause: Error): Error {
  return new errors.RequestError(cause.message, { cause });
}

function ours(cause: Error): RuntimeError {
  return new RuntimeError('BROKER_REFUSED', 'NATS gives no answer', cause);
}
