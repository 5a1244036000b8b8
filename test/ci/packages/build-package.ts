import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BuildError } from './build-error.ts';
import { collectSources, type Sources } from './collect-sources.ts';
import { publishedManifest, readManifest } from './manifest.ts';

/**
 * Builds the package whose workspace is in the folder `own` of the repository `root` into `out`.
 * @throws BuildError
 */
export function buildPackage(root: string, own: string, out: string): void {
  const license = join(root, 'LICENSE');
  if (!existsSync(license)) {
    throw new BuildError(`${license} is missing; a package is not published without it.`);
  }
  const manifest = readManifest(own);
  refuseOther(out, manifest.name);
  const sources = collectSources(root, own);
  const staging = mkdtempSync(join(tmpdir(), 'memfleet-build-'));
  try {
    const built = join(staging, 'package');
    compile(staging, sources, { root, own, lib: join(built, 'lib') });
    rewriteDeclarations(join(built, 'lib'));
    const published = publishedManifest(manifest, sources.packages);
    write(join(built, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
    copyFileSync(join(own, 'README.md'), join(built, 'README.md'));
    copyFileSync(license, join(built, 'LICENSE'));
    // Only a complete build replaces an earlier one.
    rmSync(out, { recursive: true, force: true });
    cpSync(built, out, { recursive: true });
  } finally {
    rmSync(staging, { recursive: true });
  }
  console.log(`${manifest.name} ${manifest.version} built in ${out}`);
}

/** The contents of the folder are lost, so it must be an earlier build. */
function refuseOther(folder: string, name: string): void {
  if (!existsSync(folder)) return;
  const isBuild = existsSync(join(folder, 'package.json')) && readManifest(folder).name === name;
  if (!isBuild) {
    throw new BuildError(`${folder} exists and is not a build of ${name}; name another folder.`);
  }
}

/** Compiles the sources in a folder of their own, with the tsconfig.build.json of the package. */
function compile(
  staging: string,
  { files, folders }: Sources,
  { root, own, lib }: { readonly root: string; readonly own: string; readonly lib: string },
): void {
  for (const [place, text] of files) write(join(staging, 'src', place), text);
  link(join(root, 'node_modules'), join(staging, 'node_modules'));
  for (const [folder, place] of folders) {
    link(join(folder, 'node_modules'), join(staging, 'src', place, 'node_modules'));
  }
  const config = {
    extends: join(own, 'tsconfig.build.json'),
    // Seen through the links, other workspaces are packages like any other: nothing of them is emitted.
    compilerOptions: { rootDir: 'src', outDir: lib, preserveSymlinks: true },
    files: ['src/index.ts'],
    include: [],
  };
  write(join(staging, 'package.json'), JSON.stringify({ type: 'module' }));
  write(join(staging, 'tsconfig.json'), JSON.stringify(config));
  runCompiler(staging);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function link(folder: string, path: string): void {
  if (existsSync(folder)) symlinkSync(folder, path, 'dir');
}

function runCompiler(project: string): void {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: { tsc: string } };
  const tsc = join(dirname(manifest), bin.tsc);
  const { status, error } = spawnSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) {
    throw new BuildError('The sources do not compile; fix what tsc names above.');
  }
}

/**
 * tsc rewrites the `.ts` of relative imports only in JavaScript; in declarations it stays, and only newer
 * compilers resolve it to the `.d.ts` beside it.
 */
function rewriteDeclarations(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const path = join(folder, name);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replaceAll(/(from |import\()('|")(\.[^'"]*)\.ts\2/g, '$1$2$3.js$2'));
  }
}
