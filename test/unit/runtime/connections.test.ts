import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBroker, findConnections, fleetFilePath } from '@memfleet/runtime';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'memfleet-connections-'));
afterAll(() => rmSync(folder, { recursive: true }));

const NO_FLEET = join(folder, 'none');

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function fleetOf(pid: number): string {
  const state = join(folder, `state-${pid}`);
  mkdirSync(state, { recursive: true });
  const fleet = { pid, natsUrl: 'nats://fleet:1', databaseUrl: 'postgres://fleet/x' };
  writeFileSync(fleetFilePath(state), JSON.stringify({ ...fleet, consoleUrl: null }));
  return state;
}

test('the environment names broker, credentials and database', () => {
  const env = { NATS_URL: 'nats://a:1', NATS_CREDS: '/creds', DATABASE_URL: 'postgres://b/c' };
  expect(findConnections({ env, stateDir: NO_FLEET })).toEqual({
    broker: { url: 'nats://a:1', credentials: '/creds' },
    databaseUrl: 'postgres://b/c',
  });
});

test('each of them may be in a file', () => {
  const env = {
    NATS_URL_FILE: file('url', 'nats://a:1\n'),
    DATABASE_URL_FILE: file('db', 'postgres://b/c\n'),
  };
  expect(findConnections({ env, stateDir: NO_FLEET })).toEqual({
    broker: { url: 'nats://a:1' },
    databaseUrl: 'postgres://b/c',
  });
  expect(() =>
    findConnections({ env: { DATABASE_URL_FILE: '/nowhere' }, stateDir: NO_FLEET }),
  ).toThrow(/DATABASE_URL_FILE cannot be read/);
});

test('a NATS context gives address, user and certificates', () => {
  const contexts = join(folder, 'nats', 'context');
  mkdirSync(contexts, { recursive: true });
  writeFileSync(
    join(contexts, 'prod.json'),
    JSON.stringify({ url: 'nats://h:4222', user: 'u', password: 'p@', ca: '/ca.pem', token: '' }),
  );
  const sources = { env: { XDG_CONFIG_HOME: folder, NATS_URL: 'nats://other' } };
  expect(findBroker({ ...sources, context: 'prod', stateDir: NO_FLEET })).toEqual({
    url: 'nats://u:p%40@h:4222',
    tls: { caFile: '/ca.pem' },
  });
  expect(() => findBroker({ ...sources, context: 'nope', stateDir: NO_FLEET })).toThrow(
    /NATS context nope cannot be read from/,
  );
});

test('otherwise the fleet that runs in the state folder counts, unless its process is gone', () => {
  expect(findConnections({ env: {}, stateDir: fleetOf(process.pid) })).toEqual({
    broker: { url: 'nats://fleet:1' },
    databaseUrl: 'postgres://fleet/x',
  });
  // No process has this id: it is above the kernel's limit.
  expect(() => findConnections({ env: {}, stateDir: fleetOf(2 ** 30) })).toThrow(
    expect.objectContaining({ code: 'DATABASE_UNREACHABLE' }),
  );
  expect(() => findBroker({ env: {}, stateDir: NO_FLEET })).toThrow(
    expect.objectContaining({ code: 'BROKER_UNREACHABLE' }),
  );
});
