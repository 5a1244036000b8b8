import type { Client, Pool } from '@memfleet/runtime';

/** A pool in front of a real one, in which a test can make single statements fail. */
export interface FailingPool {
  readonly pool: Pool;
  /** Called before each statement, with its name or else its text: a returned error is thrown. */
  fail: (statement: string) => Error | undefined;
  /** Statements that failed this way, by name. */
  readonly failed: string[];
}

/** An error like those of PostgreSQL or the network. */
export function coded(code: string, message = `error ${code}`): Error {
  return Object.assign(new Error(message), { code });
}

/** The error of an unreachable server for every statement. */
export function refused(): Error {
  return coded('ECONNREFUSED', 'connect ECONNREFUSED');
}

export function failingPool(real: Pool): FailingPool {
  const failing: { -readonly [Key in keyof FailingPool]: FailingPool[Key] } = {
    pool: real,
    fail: () => undefined,
    failed: [],
  };
  const check = (statement: unknown): Error | undefined => {
    const name = nameOf(statement);
    const error = failing.fail(name);
    if (error !== undefined) failing.failed.push(name);
    return error;
  };
  const guarded = <Target extends Pool | Client>(target: Target): Target =>
    new Proxy(target, {
      get(on, property) {
        if (property === 'connect') {
          return async (): Promise<Client> => {
            const error = check('connect');
            if (error !== undefined) throw error;
            return guarded(await (on as Pool).connect());
          };
        }
        const value: unknown = Reflect.get(on, property);
        if (typeof value !== 'function') return value;
        if (property !== 'query') return value.bind(on) as unknown;
        return async (...parameters: unknown[]): Promise<unknown> => {
          const error = check(parameters[0]);
          if (error !== undefined) throw error;
          return (await value.apply(on, parameters)) as unknown;
        };
      },
    });
  failing.pool = guarded(real);
  return failing;
}

function nameOf(statement: unknown): string {
  if (typeof statement === 'string') return statement;
  const { name, text } = statement as { readonly name?: string; readonly text?: string };
  return name ?? text ?? '';
}
