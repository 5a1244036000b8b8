/**
 * Builds the publishable package: `node shared/events/build.ts [folder]` (default: dist beside this
 * file). Node does not strip types below node_modules, so what is published is JavaScript with
 * declarations beside it. `npm pack <folder>` then makes the tarball.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const here = import.meta.dirname;
const root = resolve(here, '../..');
const out = resolve(process.argv[2] ?? join(here, 'dist'));

/** The oldest Node with `crypto.hash`, `toSorted` and `isWellFormed`, which the sources use. */
const OLDEST_NODE = '>=20.12';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Empties the folder; refuses one that holds something other than an earlier build. */
function makeEmpty(folder: string, name: string): void {
  if (existsSync(folder)) {
    const manifest = join(folder, 'package.json');
    const isBuild = existsSync(manifest) && readManifest(manifest).name === name;
    if (!isBuild) {
      throw new BuildError(`${folder} exists and is not a build of ${name}; name another folder.`);
    }
    rmSync(folder, { recursive: true });
  }
  mkdirSync(folder, { recursive: true });
}

function compile(folder: string): void {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: { tsc: string } };
  const tsc = join(dirname(manifest), bin.tsc);
  const project = join(here, 'tsconfig.build.json');
  const { status, error } = spawnSync(
    process.execPath,
    [tsc, '-p', project, '--outDir', join(folder, 'lib')],
    { stdio: 'inherit' },
  );
  if (error !== undefined) throw error;
  if (status !== 0) {
    throw new BuildError('The sources do not compile; mend what tsc names above.');
  }
}

/**
 * tsc rewrites the `.ts` of relative imports in JavaScript alone; in declarations it stays, which
 * only newer compilers resolve to the `.d.ts` beside it.
 */
function rewriteDeclarations(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const path = join(folder, name);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replaceAll(/(from |import\()('|")(\.[^'"]*)\.ts\2/g, '$1$2$3.js$2'));
  }
}

function published({ name, version, description, license, dependencies }: Manifest): object {
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    exports: { '.': { types: './lib/index.d.ts', default: './lib/index.js' } },
    types: './lib/index.d.ts',
    files: ['lib'],
    sideEffects: false,
    engines: { node: OLDEST_NODE },
    dependencies,
  };
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
}

/** Whoever gives up says why in one sentence; a stack would say no more. */
class BuildError extends Error {}

function build(): void {
  const license = join(root, 'LICENSE');
  if (!existsSync(license)) {
    throw new BuildError(`${license} is missing; a package is not published without it.`);
  }
  const manifest = readManifest(join(here, 'package.json'));
  makeEmpty(out, manifest.name);
  compile(out);
  rewriteDeclarations(join(out, 'lib'));
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(published(manifest), null, 2)}\n`);
  copyFileSync(join(here, 'README.md'), join(out, 'README.md'));
  copyFileSync(license, join(out, 'LICENSE'));
  console.log(`${manifest.name} ${manifest.version} built in ${out}`);
}

try {
  build();
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
