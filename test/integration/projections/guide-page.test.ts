import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Projection, ProjectionFixture } from '@memfleet/projections';
import { afterAll, expect, test } from 'vitest';
import { REPOSITORY } from '../../support/consumer.ts';
import { blocksOf, filesOf } from '../../support/page-blocks.ts';
import { proveProjection } from '../../support/projection-kit/prove.ts';

/* shared/projections/README.md builds a projection step by step: this proves its files as they stand. */

const PACKAGE = join(REPOSITORY, 'shared/projections');
const HOME = 'shared/projections/src/projections/activity';
const INDEX = 'shared/projections/src/projections/index.ts';
const PROOF = 'test/integration/projections/proofs/activity.test.ts';

const files = new Map(filesOf(blocksOf(readFileSync(join(PACKAGE, 'README.md'), 'utf8'))));

// Laid out like the package, and below the repository, where the compiler finds the other packages.
mkdirSync(join(REPOSITORY, '.memfleet'), { recursive: true });
const folder = mkdtempSync(join(REPOSITORY, '.memfleet', 'guide-'));
const home = join(folder, 'projections', 'activity');
mkdirSync(home, { recursive: true });
symlinkSync(join(PACKAGE, 'src/kit'), join(folder, 'kit'), 'dir');
for (const [path, text] of files) {
  if (dirname(path) === HOME) writeFileSync(join(home, basename(path)), text);
}
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const load = async (name: string): Promise<unknown> =>
  await import(pathToFileURL(join(home, name)).href);
const { activity } = (await load('projection.ts')) as { readonly activity: Projection };
const { fixtures } = (await load('fixtures.ts')) as {
  readonly fixtures: readonly [ProjectionFixture, ...ProjectionFixture[]];
};

proveProjection(activity, { fixtures });

test('its files type-check', () => {
  const settings = { extends: '../../tsconfig.json', include: ['projections/**/*.ts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ ...settings, exclude: [] }));
  const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', folder, '--pretty', 'false'];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});

test('its line of the index adds it to the projections that there are', () => {
  const [now = ''] = /^export const PROJECTIONS.*$/m.exec(
    readFileSync(join(REPOSITORY, INDEX), 'utf8'),
  ) ?? [''];
  expect(files.get(INDEX)?.split('\n')).toContain(now.replace('];', ', activity];'));
});

test('its proof imports what there is', () => {
  const proof = files.get(PROOF) ?? '';
  const imported = [...proof.matchAll(/ from '(?<path>.*)';/g)].map(({ groups }) =>
    join(dirname(PROOF), groups?.['path'] ?? ''),
  );
  expect(imported).toHaveLength(3);
  const kit = imported.filter((path) => dirname(path) !== HOME);
  expect(kit.map((path) => existsSync(join(REPOSITORY, path)))).toEqual([true]);
  expect(proof).toContain('proveProjection(activity, { fixtures });');
});
