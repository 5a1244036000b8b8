import crypto from 'node:crypto';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** A handler used something that differs between machines or over time. */
export class GlobalTouched extends Error {
  override readonly name = 'GlobalTouched';
  readonly touched: string;

  constructor(touched: string) {
    super(`${touched} was used`);
    this.touched = touched;
  }
}

/** The global used just now; only set while a handler runs. */
let watching: { touched: string | undefined } | undefined;

function touch(name: string): void {
  if (watching === undefined) return;
  watching.touched ??= name;
  throw new GlobalTouched(name);
}

/**
 * Runs a handler while clock, randomness, environment and I/O are frozen. A use counts even if the handler
 * catches the error.
 * @throws GlobalTouched, and the handler's errors
 */
export function withFrozenGlobals<Result>(run: () => Result): Result {
  const watch = { touched: undefined };
  watching = watch;
  try {
    const result = run();
    const { touched }: { touched: string | undefined } = watch;
    if (touched !== undefined) throw new GlobalTouched(touched);
    return result;
  } finally {
    watching = undefined;
  }
}

type Callable = (...args: unknown[]) => unknown;

/** Installs the traps until it is disposed; outside of handlers they let everything pass. */
export function freezeGlobals(): Disposable {
  const undo: (() => void)[] = [];
  const replace = (owner: object, key: string, make: (original: Callable) => Callable): void => {
    const described = Object.getOwnPropertyDescriptor(owner, key);
    if (described === undefined) return;
    const original: unknown = Reflect.get(owner, key);
    if (typeof original !== 'function') return;
    Object.defineProperty(owner, key, {
      configurable: true,
      writable: true,
      enumerable: described.enumerable === true,
      value: make(original as Callable),
    });
    undo.push(() => Object.defineProperty(owner, key, described));
  };
  for (const [name, owner, keys] of TRAPPED) {
    for (const key of keys) {
      replace(owner, key, (original) => trapped(name === '' ? key : `${name}.${key}`, original));
    }
  }
  replace(globalThis, 'Date', frozenDate);
  undo.push(freezeEnvironment());
  // What handlers import by name from node:crypto and node:fs follows.
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]() {
      for (const step of undo.toReversed()) step();
      syncBuiltinESMExports();
    },
  };
}

const LOCAL_DATE = [
  'getDate',
  'getDay',
  'getFullYear',
  'getHours',
  'getMinutes',
  'getMonth',
  'getTimezoneOffset',
  'toDateString',
  'toLocaleDateString',
  'toLocaleString',
  'toLocaleTimeString',
  'toString',
  'toTimeString',
];

/** Everything whose result depends on time, place or chance. */
const TRAPPED: readonly (readonly [name: string, owner: object, keys: readonly string[]])[] = [
  ['Date', Date, ['now']],
  // By the machine's time zone and language.
  ['Date.prototype', Date.prototype, LOCAL_DATE],
  ['Number.prototype', Number.prototype, ['toLocaleString']],
  [
    'String.prototype',
    String.prototype,
    ['localeCompare', 'toLocaleLowerCase', 'toLocaleUpperCase'],
  ],
  ['Math', Math, ['random']],
  ['performance', Object.getPrototypeOf(performance) as object, ['now']],
  ['process', process, ['hrtime', 'uptime', 'cwd', 'memoryUsage', 'cpuUsage', 'nextTick']],
  ['crypto', crypto, ['randomUUID', 'randomBytes', 'randomInt', 'randomFill', 'randomFillSync']],
  ['crypto', Object.getPrototypeOf(globalThis.crypto) as object, ['randomUUID', 'getRandomValues']],
  ['process.hrtime', process.hrtime, ['bigint']],
  ['fs', fs, ['appendFileSync', 'existsSync', 'readFileSync', 'readdirSync', 'writeFileSync']],
  ['', globalThis, ['fetch', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']],
];

function trapped(name: string, original: Callable): Callable {
  return new Proxy(original, {
    apply(target, self, args) {
      touch(name);
      const result: unknown = Reflect.apply(target, self, args);
      return result;
    },
  });
}

/** `new Date(text)` is a calculation; `new Date()` and `Date()` ask for the time. */
function frozenDate(original: Callable): Callable {
  return new Proxy(original, {
    apply(target, self, args) {
      touch('Date()');
      const result: unknown = Reflect.apply(target, self, args);
      return result;
    },
    construct(target, args, newTarget) {
      if (args.length === 0) touch('new Date()');
      return Reflect.construct(target, args, newTarget) as object;
    },
  });
}

function freezeEnvironment(): () => void {
  const described = Object.getOwnPropertyDescriptor(process, 'env');
  if (described === undefined) return () => undefined;
  const { env } = process;
  Object.defineProperty(process, 'env', {
    configurable: true,
    enumerable: true,
    get() {
      touch('process.env');
      return env;
    },
    set(value: NodeJS.ProcessEnv) {
      Object.defineProperty(process, 'env', described);
      process.env = value;
    },
  });
  return () => Object.defineProperty(process, 'env', described);
}

/** Freezes a value deeply, so that a handler that changes it fails at that point. */
export function deepFrozen<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFrozen<unknown>(part);
  }
  return value;
}
