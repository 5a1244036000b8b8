import { createEvent, type Envelope, Publisher } from '@memfleet/events';
import { expect, test } from 'vitest';
import { projectLineage } from './lineage.ts';
import { type CliFleet, createCliFleet } from './run-cli.ts';

const lines = (text: string): unknown[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

interface Said {
  readonly memory: string;
  readonly tenant?: string;
  readonly id?: string;
  readonly cause?: Envelope;
}

function created({ memory, tenant = 'acme', id, cause }: Said): Envelope {
  return createEvent({
    tenant,
    memory,
    type: 'memory.created',
    source: '/test',
    data: { content: `about ${memory}` },
    schemaVersion: 1,
    time: '2026-01-31T12:00:00Z',
    ...(id === undefined ? {} : { id }),
    ...(cause === undefined ? {} : { causationId: cause.id, correlationId: cause.correlationid }),
  });
}

async function append(fleet: CliFleet, events: readonly Envelope[]): Promise<void> {
  const publisher = new Publisher(fleet.broker.connection, { log: fleet.config.log });
  for (const event of events) await publisher.append(event);
}

test('history prints the events of one memory in order, in pages, and of no other', async () => {
  await using fleet = await createCliFleet();
  const wanted = Array.from({ length: 1_201 }, () => created({ memory: 'm-1' }));
  const others = [created({ memory: 'm-2' }), created({ memory: 'm-1', tenant: 'other' })];
  await append(fleet, [...wanted.slice(0, 600), ...others, ...wanted.slice(600)]);
  const { code, stdout } = await fleet.run(['events', 'history', 'acme', 'm-1', '--json']);
  expect(code).toBe(0);
  const records = lines(stdout) as { sequence: number; event: Envelope }[];
  expect(records.map(({ event }) => event)).toEqual(wanted);
  expect(records.map(({ sequence }) => sequence)).toEqual(
    records.map(({ sequence }) => sequence).toSorted((a, b) => a - b),
  );

  const [text, none, wildcard] = await Promise.all([
    fleet.run(['events', 'history', 'acme', 'm-2']),
    fleet.run(['events', 'history', 'acme', 'm-3']),
    fleet.run(['events', 'history', '*', 'm-1']),
  ]);
  expect(text.stdout).toMatch(/^ +\d+ {2}2\S+Z {2}memory\.created v1 +\S{36} {2}\/test\n$/);
  expect(none).toMatchObject({ code: 1, stdout: '' });
  expect(none.stderr).toContain('the log has no event of memory m-3 of acme');
  expect(wildcard).toMatchObject({ code: 2, stdout: '' });
});

test("show prints the bytes as stored and the event in today's schema, before and after it is projected", async () => {
  await using fleet = await createCliFleet();
  const event = created({ memory: 'm-1' });
  const neighbour = created({ memory: 'm-2', id: event.id, tenant: 'other' });
  await append(fleet, [created({ memory: 'm-0' }), event, neighbour]);
  const raw = JSON.stringify(event);
  const expected = {
    sequence: 2,
    subject: expect.stringMatching(/\.\d+\.acme\.m-1\.content\.created$/) as unknown,
    raw,
    rawEncoding: 'utf8',
    event: {
      ...event,
      schemaversion: 3,
      data: {
        content: 'about m-1',
        kind: 'note',
        scope: {},
        attribution: { role: 'unknown' },
        valid_from: '2026-01-31T12:00:00Z',
        importance: 0.5,
      },
    },
  };
  const args = ['events', 'show', event.id, '--tenant', 'acme', '--json'];
  const before = await fleet.run(args);
  expect(lines(before.stdout)).toMatchObject([expected]);
  await projectLineage(fleet);
  const after = await fleet.run(args);
  expect(after.stdout).toBe(before.stdout);

  const [both, text, unknown] = await Promise.all([
    fleet.run(['events', 'show', event.id, '--json']),
    fleet.run(['events', 'show', event.id, '--tenant', 'acme']),
    fleet.run(['events', 'show', 'nothing']),
  ]);
  expect(lines(both.stdout)).toHaveLength(2);
  expect(text.stdout).toContain(`as stored:\n${raw}\n`);
  expect(text.stdout).toContain('"valid_from": "2026-01-31T12:00:00Z"');
  expect(unknown.code).toBe(1);
  expect(unknown.stderr).toBe(
    'memfleet: the log has no event with the id nothing. Check the id.\n',
  );
});

test('tree draws the causation tree, starting from any of its events', async () => {
  await using fleet = await createCliFleet();
  const root = created({ memory: 'm-1' });
  const left = created({ memory: 'm-1', cause: root });
  const right = created({ memory: 'm-2', cause: root });
  const leaf = created({ memory: 'm-3', cause: left });
  const unrelated = created({ memory: 'm-1' });
  await append(fleet, [root, left, right, leaf, unrelated]);
  await projectLineage(fleet);
  const [drawn, ...trees] = await Promise.all([
    fleet.run(['events', 'tree', leaf.id]),
    fleet.run(['events', 'tree', leaf.id, '--json']),
    fleet.run(['events', 'tree', root.id, '--json']),
  ]);
  for (const { code, stdout } of trees) {
    expect(code).toBe(0);
    expect(lines(stdout)).toMatchObject([
      {
        id: root.id,
        type: 'memory.created',
        children: [
          { id: left.id, children: [{ id: leaf.id, memory: 'm-3', children: [] }] },
          { id: right.id, children: [] },
        ],
      },
    ]);
  }
  const { stdout } = drawn;
  expect(stdout.split('\n').map((line) => line.slice(0, 22))).toEqual([
    `memory.created  ${root.id.slice(0, 6)}`,
    `├─ memory.created  ${left.id.slice(0, 3)}`,
    `│  └─ memory.created  ${leaf.id.slice(0, 0)}`,
    `└─ memory.created  ${right.id.slice(0, 3)}`,
    '',
  ]);
  expect(stdout).toMatch(new RegExp(`${leaf.id}.* ◀\n`));
});
