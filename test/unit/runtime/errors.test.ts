import { readFileSync } from 'node:fs';
import { EVENT_ERRORS } from '@memfleet/events';
import { ALL_ERRORS, RUNTIME_ERRORS } from '@memfleet/runtime';
import { expect, test } from 'vitest';

const PAGE = new URL('../../../docs/errors.md', import.meta.url);

test('docs/errors.md lists every code with its hint', () => {
  const rows = readFileSync(PAGE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(
    Object.entries(ALL_ERRORS).map(([code, hint]) => `| \`${code}\` | ${hint} |`),
  );
});

test('a code that is in both tables has one hint', () => {
  const shared = Object.entries(EVENT_ERRORS).filter(([code]) => code in RUNTIME_ERRORS);
  expect(Object.fromEntries(shared)).toEqual({ STREAM_MISSING: RUNTIME_ERRORS.STREAM_MISSING });
});
