import type { Client, Pool } from '@memfleet/runtime';

/** A pool in front of a real one, of which single statements can be made to fail. */
export interface FailingPool {
  readonly pool: Pool;
  /** Asked before each statement, by its name or else its text: what it returns is thrown. */
  fail: (statement: string) => Error | undefined;
  /** Statements that failed so, by name. */
  readonly failed: string[];
}

/** An error as PostgreSQL or the network gives it. */
export function coded(code: string, message = `error ${code}`): Error {
  return Object.assign(new Error(message), { code });
}

/** What a server that is not there says to everything. */
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
