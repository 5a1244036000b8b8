import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CATALOGUE, latestVersion, registry } from '@memfleet/events';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connectTestBroker } from '../../support/broker.ts';
import { Consumer, REPOSITORY } from '../../support/consumer.ts';
import { createLogStream, readLog } from '../../support/log-stream.ts';
import { blocksOf } from '../../support/page-blocks.ts';

let consumer: Consumer;
let installed = '';

beforeAll(() => {
  consumer = new Consumer();
  installed = consumer.install('events');
  consumer.copy(join(REPOSITORY, 'test/fixtures/events/consumer'));
});
afterAll(() => consumer[Symbol.dispose]());

describe('the tarball', () => {
  test('holds JavaScript and declarations, the licence and the README, and nothing else', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    const top = readdirSync(installed).toSorted();
    expect(top).toEqual(['LICENSE', 'README.md', 'lib', 'package.json']);
    const inLib = files.filter((name) => name.startsWith('lib/') && name.includes('.'));
    expect(inLib.every((name) => /\.(js|d\.ts)$/.test(name))).toBe(true);
    expect(inLib.filter((name) => name.endsWith('.js'))).toHaveLength(
      inLib.filter((name) => name.endsWith('.d.ts')).length,
    );
    for (const name of inLib) {
      expect(readFileSync(join(installed, name), 'utf8')).not.toMatch(/from '\.[^']*\.ts'/);
    }
  });

  test('asks for what the package needs, pinned, and for no workspace', () => {
    const { name, dependencies, exports, private: isPrivate } = consumer.manifest('events');
    expect(name).toBe('@memfleet/events');
    expect(isPrivate).toBeUndefined();
    expect(Object.keys(dependencies).toSorted()).toEqual([
      '@nats-io/jetstream',
      '@nats-io/transport-node',
      'uuid',
      'zod',
    ]);
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(exports).toEqual({ '.': { types: './lib/index.d.ts', default: './lib/index.js' } });
  });

  test('a build refuses a folder that is not its own', () => {
    const script = join(REPOSITORY, 'test/ci/build.ts');
    const args = [script, 'events', consumer.folder];
    const { status, stderr } = consumer.attempt(process.execPath, args);
    expect(status).toBe(1);
    expect(stderr).toMatch(/is not a build of @memfleet\/events; name another folder/);
    expect(existsSync(join(consumer.folder, 'upstream.mjs'))).toBe(true);
  });
});

test('an upstream publisher in JavaScript appends to the log', async () => {
  await using broker = await connectTestBroker();
  const log = await createLogStream(broker.connection);
  const env = { NATS_URL: inject('natsUrl'), LOG_STREAM: log.stream, LOG_ROOT: log.root };
  const output = consumer.run(process.execPath, ['upstream.mjs'], env);
  expect(JSON.parse(output)).toEqual({
    sequences: [1, 1],
    duplicates: [false, true],
    kind: 'known',
    data: {
      content: 'Ada prefers tea to coffee.',
      kind: 'note',
      scope: {},
      attribution: { role: 'unknown' },
      valid_from: expect.stringMatching(/Z$/) as unknown,
      importance: 0.5,
    },
    refused: {
      code: 'EVENT_INVALID',
      hint: expect.stringMatching(/correct the named fields/) as unknown,
    },
  });
  const stored = await readLog(broker.connection, log);
  expect(
    stored.map(({ subject, bytes }) => registry.decode(bytes, { root: log.root, subject }).kind),
  ).toEqual(['known']);
});

describe('a consumer in TypeScript', () => {
  test('compiles strictly, declarations of the package and of its dependencies included', () => {
    const { status, stdout } = consumer.compile('right.ts', '--skipLibCheck', 'false');
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  test('is told of each wrong use, and of nothing else', () => {
    const { refused, marked } = consumer.wrongUses('wrong.ts');
    expect(refused).toEqual(marked);
    expect(marked.length).toBeGreaterThan(5);
  });
});

describe('the README', () => {
  const readme = readFileSync(join(REPOSITORY, 'shared/events/README.md'), 'utf8');

  test('its examples compile', () => {
    const examples = blocksOf(readme).filter(({ language }) => language === 'ts');
    expect(examples.length).toBeGreaterThan(1);
    for (const { text } of examples) {
      const given =
        'declare const message: { readonly data: Uint8Array; readonly subject: string };';
      consumer.write('example.ts', `${given}\n${text}`);
      expect(consumer.compile('example.ts', '--skipLibCheck').stdout).toBe('');
    }
  });

  test('its table has every event type, with its class and latest version', () => {
    const rows = [...readme.matchAll(/^\| `(memory\.\w+)` \| (\w+) \| (\d+) \|/gm)];
    expect(
      rows.map(([, type, eventClass, version]) => [type, eventClass, Number(version)]),
    ).toEqual(CATALOGUE.map((type) => [type.type, type.eventClass, latestVersion(type)]));
  });
});
