import { expect, test } from 'vitest';
import { createCliFleet } from './run-cli.ts';

test('provision creates everything, and nothing the second time', async () => {
  await using fleet = await createCliFleet({ provisioned: false });
  const first = await fleet.run(['provision', '--json']);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  const created = JSON.parse(first.stdout) as { changes: { kind: string; action: string }[] };
  expect(new Set(created.changes.map(({ kind }) => kind))).toEqual(
    new Set(['stream', 'consumer', 'projection']),
  );
  expect(created.changes.every(({ action }) => action === 'create')).toBe(true);

  const second = await fleet.run(['provision', '--json']);
  expect(second.code).toBe(0);
  expect(JSON.parse(second.stdout)).toEqual({ inSync: true, applied: true, changes: [] });
  const check = await fleet.run(['provision', '--check']);
  expect(check).toEqual({
    code: 0,
    stdout: 'nothing to do: the deployment is as configured\n',
    stderr: '',
  });
});

test('--check reports the difference with exit code 1 and changes nothing', async () => {
  await using fleet = await createCliFleet();
  const other = { MEMFLEET_STAGES_EXTRACTION_ACK_WAIT: '20s' };
  const check = await fleet.run(['provision', '--check'], { env: other });
  expect(check.code).toBe(1);
  expect(check.stdout).toContain(
    'update consumer extraction (ack_wait: 30000000000 → 20000000000)',
  );
  expect(check.stderr).toBe('');
  expect((await fleet.run(['provision', '--check'])).code).toBe(0);

  const fixed = await fleet.run(['provision'], { env: other });
  expect(fixed.code).toBe(0);
  expect((await fleet.run(['provision', '--check'], { env: other })).code).toBe(0);
});

test('a projection that needs a rebuild fails --check alone: its new workers start after provisioning', async () => {
  await using fleet = await createCliFleet();
  const other = { MEMFLEET_PROJECTIONS_LANES: '8' };
  const refused = 'refuse projection memories (lanes: 1 → 8, by a rebuild)';
  for (const [args, expected] of [
    [['provision'], 0],
    [['provision', '--check'], 1],
  ] as const) {
    const { code, stdout, stderr } = await fleet.run(args, { env: other });
    expect([code, stderr]).toEqual([expected, '']);
    expect(stdout).toContain(refused);
    expect(stdout).toContain('next: memfleet projection rebuild memories\n');
  }
  const { code, stdout } = await fleet.run(['provision', '--json'], { env: other });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ inSync: false, applied: true });
});

test('a difference that would require deleting is refused with exit code 1', async () => {
  await using fleet = await createCliFleet();
  const other = { MEMFLEET_LOG_PARTITIONS: '4' };
  const { code, stderr } = await fleet.run(['provision'], { env: other });
  expect(code).toBe(1);
  expect(stderr).toContain('cannot be changed once events are stored');
  expect(stderr).toContain('subject_transform');
});
