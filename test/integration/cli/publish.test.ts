import { once } from 'node:events';
import { nameBasedId, newEventId, Publisher } from '@memfleet/events';
import { expect, test } from 'vitest';
import { readLog } from '../../support/log-stream.ts';
import { until } from '../../support/until.ts';
import { projectLineage } from './lineage.ts';
import { type CliFleet, createCliFleet, startCli } from './run-cli.ts';

const created = (memory: string, content: string) => ({
  tenant: 'acme',
  memory,
  type: 'memory.created',
  data: { content },
});

const envelope = (overrides: Record<string, unknown> = {}) => {
  const id = newEventId();
  return {
    specversion: '1.0',
    id,
    source: '/test',
    type: 'memory.created',
    subject: 'm-1',
    time: '2026-01-31T12:00:00Z',
    datacontenttype: 'application/json',
    data: { content: 'Ada prefers tea to coffee.' },
    schemaversion: 1,
    tenantid: 'acme',
    correlationid: id,
    causationid: id,
    ...overrides,
  };
};

const logOf = (fleet: CliFleet) => readLog(fleet.broker.connection, fleet.config.log);

async function storedIds(fleet: CliFleet): Promise<string[]> {
  const stored = await logOf(fleet);
  return stored.map(
    ({ bytes }) => (JSON.parse(Buffer.from(bytes).toString()) as { id: string }).id,
  );
}

test('good lines are published, bad ones are reported by number and reason, never by content', async () => {
  await using fleet = await createCliFleet();
  const secret = 'the-launch-code';
  const file = await fleet.lines('mixed.jsonl', [
    created('m-1', 'one'),
    `{"tenant":"acme","memory":"m-2","${secret}`,
    '',
    { ...created('m *', secret) },
    { ...created('m-3', secret), type: 'memory.craeted' },
    { ...created('m-4', secret), correlaton: 'c' },
    { ...created('m-5', 'x'), data: { content: '' } },
    envelope({ time: '2026-01-31T12:00:00' }),
    created('m-6', 'x'.repeat(70_000)),
    'null',
    created('m-7', 'seven'),
  ]);
  const { code, stdout, stderr } = await fleet.run(['publish', file]);
  expect(stdout).toBe('published 2, duplicates 0, rejected 8\n');
  expect(code).toBe(1);
  const told = new Map(
    stderr
      .trim()
      .split('\n')
      .map((line) => /^line (\d+): (.*)$/.exec(line) ?? [])
      .map(([, number, reason]) => [Number(number), reason]),
  );
  expect(told.get(2)).toBe('the line is not JSON');
  expect(told.get(4)).toBe('memory: must be 1 to 64 letters, digits, "_" or "-"');
  expect(told.get(5)).toBe('type: not a known type, did you mean memory.created?');
  expect(told.get(6)).toBe('correlaton: not a field of the short form, did you mean correlation?');
  expect(told.get(7)).toMatch(/^data\.content: /);
  expect(told.get(8)).toMatch(/^time: must be an RFC 3339 time with an offset/);
  expect(told.get(9)).toMatch(/^data is \d+ bytes, over the inline limit|^data\.content/);
  expect(told.get(10)).toBe('the line is not a JSON object');
  expect(told.size).toBe(8);
  expect(stderr).not.toContain(secret);
  expect(await logOf(fleet)).toHaveLength(2);
});

test('a file published again, reordered or grown, adds only new events', async () => {
  await using fleet = await createCliFleet();
  const lines = Array.from({ length: 300 }, (_, index) =>
    created(`m-${index % 7}`, `text ${index}`),
  );
  const accessed = { tenant: 'acme', memory: 'm-1', type: 'memory.accessed', data: {} };
  const file = await fleet.lines('first.jsonl', [...lines, accessed, accessed]);
  const first = await fleet.run(['publish', file, '--json']);
  expect(JSON.parse(first.stdout)).toEqual({ published: 302, duplicates: 0, rejected: 0 });
  expect(first.code).toBe(0);
  const again = await fleet.run(['publish', file, '--json']);
  expect(JSON.parse(again.stdout)).toEqual({ published: 0, duplicates: 302, rejected: 0 });
  expect(again.code).toBe(0);

  const grown = await fleet.lines('grown.jsonl', [
    accessed,
    ...lines.toReversed(),
    accessed,
    accessed,
    created('m-9', 'new'),
  ]);
  const third = await fleet.run(['publish', grown, '--json']);
  expect(JSON.parse(third.stdout)).toEqual({ published: 2, duplicates: 302, rejected: 0 });
  const ids = await storedIds(fleet);
  expect(ids).toHaveLength(304);
  expect(new Set(ids).size).toBe(304);
});

test('events of one memory are in the log in the order of the file', async () => {
  await using fleet = await createCliFleet();
  const lines = Array.from({ length: 500 }, (_, index) => created('m-1', String(index)));
  await fleet.run(['publish', await fleet.lines('ordered.jsonl', lines)]);
  const stored = await logOf(fleet);
  const contents = stored.map(
    ({ bytes }) =>
      (JSON.parse(Buffer.from(bytes).toString()) as { data: { content: string } }).data,
  );
  expect(contents.map(({ content }) => content)).toEqual(lines.map(({ data }) => data.content));
});

test('the same id with another payload is rejected and the stored event stays', async () => {
  await using fleet = await createCliFleet();
  const original = envelope();
  await fleet.run(['publish', await fleet.lines('a.jsonl', [original])]);
  const other = { ...original, data: { content: 'Ada prefers coffee.' } };
  const file = await fleet.lines('b.jsonl', [original, other, envelope({ subject: 'm-2' })]);
  const { code, stdout, stderr } = await fleet.run(['publish', file, '--json']);
  expect(JSON.parse(stdout)).toEqual({ published: 1, duplicates: 1, rejected: 1 });
  expect(code).toBe(1);
  expect(stderr).toBe(
    `line 2: event id ${original.id} is already in the log at sequence 1 with another payload\n`,
  );
  const [stored] = await logOf(fleet);
  expect(Buffer.from(stored?.bytes ?? []).toString()).toBe(JSON.stringify(original));
});

test('an event of version 1 is published unchanged, byte for byte', async () => {
  await using fleet = await createCliFleet();
  const old = envelope({ note: 'an attribute nobody knows' });
  const { code } = await fleet.run(['publish', await fleet.lines('v1.jsonl', [old])]);
  expect(code).toBe(0);
  const [stored] = await logOf(fleet);
  expect(Buffer.from(stored?.bytes ?? []).toString()).toBe(JSON.stringify(old));
});

test('a short form may name its time, correlation, version and id', async () => {
  await using fleet = await createCliFleet();
  const id = newEventId();
  const line = {
    ...created('m-1', 'said'),
    id,
    time: '2026-01-31T12:00:00+02:00',
    correlation: 'conversation-7',
    version: 1,
  };
  await fleet.run(['publish', '-', '--source', '/chat'], {
    input: `\uFEFF${JSON.stringify(line)}`,
  });
  const [stored] = await logOf(fleet);
  expect(JSON.parse(Buffer.from(stored?.bytes ?? []).toString())).toEqual({
    specversion: '1.0',
    id,
    source: '/chat',
    type: 'memory.created',
    subject: 'm-1',
    time: '2026-01-31T12:00:00+02:00',
    datacontenttype: 'application/json',
    data: { content: 'said' },
    schemaversion: 1,
    tenantid: 'acme',
    correlationid: 'conversation-7',
    causationid: id,
  });
});

test('--strict publishes nothing when a line is bad, from a file and from a pipe', async () => {
  await using fleet = await createCliFleet();
  const lines = [created('m-1', 'one'), { tenant: 'acme' }, created('m-2', 'two'), 'also bad'];
  const file = await fleet.lines('bad.jsonl', lines);
  const input = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  const [fromFile, fromPipe] = await Promise.all([
    fleet.run(['publish', file, '--strict', '--json']),
    fleet.run(['publish', '-', '--strict', '--json'], { input: input.join('\n') }),
  ]);
  for (const { code, stdout, stderr } of [fromFile, fromPipe]) {
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({ published: 0, duplicates: 0, rejected: 1 });
    expect(stderr).toMatch(/^line 2: .*\n$/);
  }
  expect(await logOf(fleet)).toEqual([]);

  const good = await fleet.run(['publish', '-', '--strict', '--json'], { input: input[0] ?? '' });
  expect(good.code).toBe(0);
  expect(JSON.parse(good.stdout)).toEqual({ published: 1, duplicates: 0, rejected: 0 });
});

test('beyond the duplicate window the lineage projection finds stored events', async () => {
  await using fleet = await createCliFleet({ settings: { 'log.duplicateWindow': '100ms' } });
  const kept = envelope({ subject: 'm-1' });
  const lines = [kept, ...Array.from({ length: 20 }, (_, index) => created(`m-${index}`, 'text'))];
  const file = await fleet.lines('old.jsonl', lines);
  await fleet.run(['publish', file]);
  await projectLineage(fleet);
  const publisher = new Publisher(fleet.broker.connection, { log: fleet.config.log });
  const probe = envelope({ subject: 'probe' });
  await publisher.append(probe);
  await until('the window is over', async () => !(await publisher.append(probe)).duplicate);
  const before = await logOf(fleet);
  const changed = await fleet.lines('changed.jsonl', [
    { ...kept, data: { content: 'another' } },
    ...lines.slice(1),
  ]);
  const [again, conflicting] = await Promise.all([
    fleet.run(['publish', file, '--json']),
    fleet.run(['publish', changed, '--json']),
  ]);
  expect(JSON.parse(again.stdout)).toEqual({ published: 0, duplicates: 21, rejected: 0 });
  expect(JSON.parse(conflicting.stdout)).toEqual({ published: 0, duplicates: 20, rejected: 1 });
  expect(conflicting.stderr).toContain('with another payload');
  expect(await logOf(fleet)).toHaveLength(before.length);
});

test('without a database it says so and publishes', async () => {
  await using fleet = await createCliFleet();
  const file = await fleet.lines('a.jsonl', [created('m-1', 'one')]);
  const { code, stdout, stderr } = await fleet.run(['publish', file, '--json'], {
    env: { DATABASE_URL: 'postgres://127.0.0.1:1/none' },
  });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ published: 1, duplicates: 0, rejected: 0 });
  expect(stderr).toMatch(/^memfleet: continuing without the database .*\n$/);
});

test('an interrupted run ends gracefully, and running it again continues it', async () => {
  await using fleet = await createCliFleet();
  const child = startCli(['publish', '-', '--json'], { env: fleet.env, cwd: fleet.folder });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const lines = Array.from({ length: 50 }, (_, index) => created(`m-${index}`, 'text'));
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  child.stdin.write(text);
  await until('the lines are stored', async () => (await logOf(fleet)).length === 50);
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toEqual({ published: 50, duplicates: 0, rejected: 0 });
  expect(stderr).toContain('interrupted after line 50. Run it again to continue');
  const again = await fleet.run(['publish', '-', '--json'], {
    input: `${text}${JSON.stringify(created('m-1', 'more'))}\n`,
  });
  expect(JSON.parse(again.stdout)).toEqual({ published: 1, duplicates: 50, rejected: 0 });
});

test('a missing stream, a missing file and a folder each give one sentence', async () => {
  await using fleet = await createCliFleet({ provisioned: false });
  const file = await fleet.lines('a.jsonl', [created('m-1', 'one')]);
  const [noStream, noFile, folder] = await Promise.all([
    fleet.run(['publish', file]),
    fleet.run(['publish', 'missing.jsonl']),
    fleet.run(['publish', fleet.folder]),
  ]);
  expect(noStream).toEqual({
    code: 1,
    stdout: '',
    stderr: `memfleet: stream ${fleet.config.log.stream} does not exist. Run \`memfleet provision\` first.\n`,
  });
  expect(noFile.code).toBe(2);
  expect(noFile.stderr).toMatch(/^memfleet: missing\.jsonl cannot be read: ENOENT.*\n$/);
  expect(folder.code).toBe(2);
  expect(folder.stderr).toContain('is a folder');
});

test('a name-based id does not depend on the order of keys', async () => {
  await using fleet = await createCliFleet();
  const a =
    '{"tenant":"acme","memory":"m","type":"memory.created","data":{"content":"x","kind":"fact"}}';
  const b =
    '{"data":{"kind":"fact","content":"x"},"type":"memory.created","memory":"m","tenant":"acme"}';
  await fleet.run(['publish', '-'], { input: a });
  const { stdout } = await fleet.run(['publish', '-', '--json'], { input: b });
  expect(JSON.parse(stdout)).toMatchObject({ published: 0, duplicates: 1 });
  expect((await storedIds(fleet))[0]).not.toBe(nameBasedId('publish'));
});
