// `node test/ci/build.ts [PACKAGE [FOLDER]]` builds what is published: shared/PACKAGE (default: all of them) into FOLDER
// (default: dist beside its sources). Node strips no types below node_modules, so a package is JavaScript with
// declarations beside it. `npm pack FOLDER` then makes the tarball.
import { join, resolve } from 'node:path';
import { BuildError } from './packages/build-error.ts';
import { buildPackage } from './packages/build-package.ts';

const root = resolve(import.meta.dirname, '../..');
const PUBLISHED = ['events', 'recall'];

const [name, folder] = process.argv.slice(2);

try {
  if (name !== undefined && !PUBLISHED.includes(name)) {
    throw new BuildError(`${name} is not published; name one of ${PUBLISHED.join(', ')}.`);
  }
  for (const each of name === undefined ? PUBLISHED : [name]) {
    const own = join(root, 'shared', each);
    buildPackage(root, own, resolve(folder ?? join(own, 'dist')));
  }
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
