import { expect, test } from 'vitest';
import { createCliFleet } from './run-cli.ts';

test('recall finds by words over the read models, within one tenant', async () => {
  await using fleet = await createCliFleet();
  const { pool } = fleet.database;
  const rows = [
    ['acme', 'm-1', 'Ada prefers tea to\u001B[31m coffee.\nAlways.'],
    ['acme', 'm-2', 'The office closes at six.'],
    ['other', 'm-3', 'Tea is served at noon.'],
  ];
  for (const [index, [tenant, memory, content]] of rows.entries()) {
    await pool.query(
      `insert into memories_1.memories
        (tenant, memory, content, content_seq, kind, kind_seq, importance, importance_seq,
          created_at, origin_seq)
        values ($1, $2, $3, $4, 'note', $4, 0.5, $4, '2026-01-31T12:00:00Z', $5)`,
      [tenant, memory, content, index + 1, -1 - index],
    );
  }
  const [json, text, none] = await Promise.all([
    fleet.run(['recall', 'acme', 'tea', '--json']),
    fleet.run(['recall', 'acme', 'tea']),
    fleet.run(['recall', 'acme', 'submarine']),
  ]);
  const { code, stdout } = json;
  expect(code).toBe(0);
  const found = JSON.parse(stdout) as { results: { memory: string }[] };
  expect(found).toMatchObject({ tenant: 'acme', query: 'tea' });
  expect(found.results.map(({ memory }) => memory)).toEqual(['m-1']);

  expect(text.stdout).toContain(' 1. Ada prefers tea to [31m coffee. Always.\n    m-1 · note · ');
  expect(none).toMatchObject({ code: 0, stdout: 'nothing is remembered that answers this\n' });
});
