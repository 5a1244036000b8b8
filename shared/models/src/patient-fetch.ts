/** Where every copy of undici, Node's own as well, keeps the dispatcher that `fetch` uses. */
const GLOBAL_DISPATCHER = Symbol.for('undici.globalDispatcher.1');

type Dispatcher = NonNullable<RequestInit['dispatcher']>;
type AgentClass = new (options: {
  readonly headersTimeout: number;
  readonly bodyTimeout: number;
}) => Dispatcher;

let patient: Dispatcher | undefined;

/**
 * `fetch` without limits of its own. Node's gives a call up after five minutes without a header, and a
 * model that thinks for longer would be asked, paid for and given up for ever: a lost connection is
 * nobody's fault and uses up no attempt. How long a call may take is for the deadline to say.
 */
export const patientFetch: typeof fetch = async (input, init) => {
  patient ??= patientDispatcher();
  return await fetch(input, { ...init, dispatcher: patient });
};

/** Node does not export the class of its own dispatcher; the dispatcher in use is one of it. */
function patientDispatcher(): Dispatcher {
  // Node loads all of that with the first use of a part of it.
  void Response;
  const current: unknown = Reflect.get(globalThis, GLOBAL_DISPATCHER);
  if (typeof current !== 'object' || current === null) {
    throw new Error('fetch has no dispatcher: this is no Node that memfleet knows');
  }
  const Agent = current.constructor as AgentClass;
  return new Agent({ headersTimeout: 0, bodyTimeout: 0 });
}
