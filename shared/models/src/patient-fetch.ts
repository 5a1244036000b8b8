/** Where every copy of undici, including Node's own, keeps the dispatcher that `fetch` uses. */
const GLOBAL_DISPATCHER = Symbol.for('undici.globalDispatcher.1');

type Dispatcher = NonNullable<RequestInit['dispatcher']>;
type AgentClass = new (options: {
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
}) => Dispatcher;

let patient: Dispatcher | undefined;

/**
 * `fetch` without time limits of its own. Node's `fetch` ends a call after five minutes without a header.
 * A model that thinks longer would then be called, paid for and abandoned for ever, since a lost
 * connection uses up no attempt. Only the deadline limits how long a call may take.
 */
export const patientFetch: typeof fetch = async (input, init) => {
  patient ??= patientDispatcher();
  return await fetch(input, { ...init, dispatcher: patient });
};

/** Node does not export the class of its own dispatcher; the dispatcher in use is an instance of it. */
function patientDispatcher(): Dispatcher {
  // Using any part of fetch makes Node load all of it.
  void Response;
  const current: unknown = Reflect.get(globalThis, GLOBAL_DISPATCHER);
  if (typeof current !== 'object' || current === null) {
    throw new Error('fetch has no dispatcher: memfleet does not know this version of Node');
  }
  const Agent = current.constructor as AgentClass;
  return new Agent({ headersTimeout: 0, bodyTimeout: 0 });
}
