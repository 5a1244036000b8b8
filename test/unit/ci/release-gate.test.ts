import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOT = new URL('../../..', import.meta.url).pathname;

function read(file: string): string {
  return readFileSync(`${ROOT}/${file}`, 'utf8');
}

test('every long suite is in the list of release gates, and CI runs those with a star', () => {
  const suites = globSync('test/{chaos,long}/*.test.ts', { cwd: ROOT }).map((file) =>
    file.replace('.test.ts', ''),
  );
  const listed = [
    ...read('CONTRIBUTING.md').matchAll(/(test\/(?:chaos|long)\/[a-z-]+)( \*)?[, |]/g),
  ];
  expect(new Set(listed.map(([, suite]) => suite))).toEqual(new Set(suites));
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const inCi = scripts['test:chaos']?.match(/test\/chaos\/[a-z-]+/g) ?? [];
  const starred = listed.filter(([, , star]) => star !== undefined).map(([, suite]) => suite);
  expect(new Set(starred)).toEqual(new Set(inCi));
});
