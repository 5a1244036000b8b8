import { type ErrorBody, readErrorBody } from './error-body.ts';
import { ProviderError, type ProviderErrorClass } from './provider-error.ts';
import { type Headers, retryAfterOf } from './retry-after.ts';

/**
 * The part of an HTTP client's error that matters here. The AI SDK's `APICallError` has this shape, and
 * is recognised by it, so that this package needs no SDK.
 */
interface CallError extends Error {
  readonly statusCode?: number;
  readonly responseHeaders?: Headers;
  readonly responseBody?: string;
}

/** Names of AI SDK errors that concern a model's output. */
const BAD_ANSWERS: ReadonlySet<string> = new Set([
  'AI_NoObjectGeneratedError',
  'AI_NoOutputGeneratedError',
  'AI_NoContentGeneratedError',
  'AI_InvalidResponseDataError',
  'AI_TypeValidationError',
  'AI_JSONParseError',
]);

const NETWORK_CODE =
  /^(?:E(?:CONN\w+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN|PROTO)|UND_ERR_\w+|HPE_\w+|CERT_\w+|ERR_TLS_\w+|ERR_SSL_\w+|DEPTH_ZERO_\w+|UNABLE_TO_\w+)$/;
const MAX_CAUSES = 8;

/**
 * Classifies the failure of a call to a model service; undefined when the service is not to blame, since
 * a bug here must not look like an outage. Messages name status and codes, never contents or keys.
 */
export function classifyProviderError(
  error: unknown,
  now: number = Date.now(),
): ProviderError | undefined {
  const causes = causesOf(error);
  const known = causes.find((cause) => cause instanceof ProviderError);
  if (known !== undefined) return known;
  const call = causes.find(isCallError);
  if (call?.statusCode !== undefined) return ofAnswer(call, call.statusCode, now);
  const code = causes.map(networkCodeOf).find((found) => found !== undefined);
  if (call !== undefined || code !== undefined) {
    return new ProviderError('transient', `no answer: ${code ?? 'the connection failed'}`, {
      cause: error,
    });
  }
  for (const cause of causes) {
    if (cause.name === 'TimeoutError') {
      return new ProviderError('transient', 'no answer in time', { cause: error });
    }
    if (cause.name === 'TypeError' && /^(?:fetch failed|terminated)$/.test(cause.message)) {
      return new ProviderError('transient', 'no answer: the connection failed', { cause: error });
    }
    if (cause.name === 'AI_EmptyResponseBodyError') {
      return new ProviderError('transient', 'the answer is empty', { cause: error });
    }
    if (cause.name === 'AI_LoadAPIKeyError' || cause.name === 'AI_LoadSettingError') {
      return new ProviderError('auth', 'the service is not configured', { cause: error });
    }
    if (BAD_ANSWERS.has(cause.name)) {
      return new ProviderError('invalid_output', 'the answer does not fit', { cause: error });
    }
  }
  return undefined;
}

/** Classifies an error response of a service, for callers that use `fetch` themselves. */
export async function responseError(response: Response): Promise<ProviderError> {
  const call = Object.assign(new Error(`HTTP ${response.status}`), {
    statusCode: response.status,
    responseHeaders: Object.fromEntries(response.headers),
    responseBody: await response.text(),
  });
  return ofAnswer(call, response.status, Date.now());
}

function ofAnswer(call: CallError, statusCode: number, now: number): ProviderError {
  const body = readErrorBody(call.responseBody);
  // Some gateways answer 200 and put the error into the body.
  const status = statusCode < 300 ? (body.status ?? statusCode) : statusCode;
  const errorClass = classOf(status, body);
  const retryAfterMs = retryAfterOf(call.responseHeaders ?? {}, now);
  const said = body.codes.length === 0 ? '' : ` ${body.codes.join(' ')}`;
  return new ProviderError(errorClass, `HTTP ${statusCode}${said}${noteOf(status, body)}`, {
    status: statusCode,
    cause: call,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

function classOf(status: number, body: ErrorBody): ProviderErrorClass {
  if (status < 300) {
    if (body.form === 'error') return body.errorClass ?? 'transient';
    // The model sent a complete JSON answer of another shape; a partial one, or HTML, comes from the network.
    return body.form === 'json' ? 'invalid_output' : 'transient';
  }
  const said = body.errorClass;
  switch (status) {
    case 401:
    case 403:
      return said === 'quota' || said === 'invalid_input' ? said : 'auth';
    case 402:
      return 'quota';
    case 429:
      return said === 'quota' ? 'quota' : 'rate_limited';
    case 408:
    case 409:
    case 425:
    case 499:
      return 'transient';
    case 413:
      return 'invalid_input';
    case 400:
    case 422:
      if (body.form === 'other') return 'transient';
      return said === 'quota' || said === 'auth' || said === 'rate_limited'
        ? said
        : 'invalid_input';
    default:
      // Some services count tokens only after a failure, and answer 500 for an input that is too long.
      if (status >= 500) return said === 'quota' || said === 'invalid_input' ? said : 'transient';
      // A wrong address, a wrong method, a redirect to a login page: a person must act.
      return 'auth';
  }
}

function noteOf(status: number, body: ErrorBody): string {
  if (body.form === 'other') return ' with a body that is no JSON';
  if (status < 300 && body.form === 'json') return ' with an answer of another shape';
  if (status < 300 && body.form === 'empty') return ' without a whole body';
  return '';
}

/** The error and its causes, outermost first. */
function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  let current = error;
  while (current instanceof Error && causes.length < MAX_CAUSES && !causes.includes(current)) {
    causes.push(current);
    current = 'lastError' in current ? current.lastError : current.cause;
  }
  return causes;
}

function isCallError(error: Error): error is CallError {
  return (
    error.name === 'AI_APICallError' ||
    ('statusCode' in error && typeof error.statusCode === 'number')
  );
}

function networkCodeOf(error: Error): string | undefined {
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && NETWORK_CODE.test(code) ? code : undefined;
}
