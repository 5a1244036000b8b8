import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RateLimiter } from '@memfleet/models';
import { afterEach, expect, test, vi } from 'vitest';

afterEach(() => vi.unstubAllGlobals());

test('calls use a dispatcher without time limits, and get their answers', async () => {
  const server = createServer((request, response) => {
    request.resume();
    response.end('the answer');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const dispatchers: unknown[] = [];
  const real = fetch;
  vi.stubGlobal('fetch', (...[input, init]: Parameters<typeof fetch>) => {
    dispatchers.push(init?.dispatcher);
    return real(input, init);
  });
  const response = await new RateLimiter().fetch(`http://127.0.0.1:${port}/`, { method: 'POST' });
  expect(await response.text()).toBe('the answer');
  server.close();
  // Its options are not part of any interface; the long tests check that it waits for minutes.
  const options = Object.getOwnPropertySymbols(dispatchers[0])
    .map((name): unknown => Reflect.get(dispatchers[0] as object, name))
    .find((value) => typeof value === 'object' && value !== null && 'headersTimeout' in value);
  expect(options).toMatchObject({ headersTimeout: 0, bodyTimeout: 0 });
});
