import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
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
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

export const REPOSITORY = resolve(import.meta.dirname, '../..');

/** The package.json of a published package. */
export interface PublishedManifest {
  readonly name: string;
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/**
 * A project outside of the repository, from which walking up finds none of its files. It gets packages as
 * users do: built, packed and unpacked, with their dependencies beside them.
 */
export class Consumer {
  readonly #temporary = mkdtempSync(join(tmpdir(), 'memfleet-consumer-'));
  /** Where its files are. */
  readonly folder = join(this.#temporary, 'consumer');

  constructor() {
    mkdirSync(this.folder);
    this.write('package.json', JSON.stringify({ type: 'module', private: true }));
    this.bring('@types/node');
  }

  /** Builds and installs `@memfleet/<name>`. @returns where it is */
  install(name: string): string {
    const build = join(this.#temporary, 'build', name);
    this.run(process.execPath, [join(REPOSITORY, 'test/ci/build.ts'), name, build]);
    const packed = join(this.#temporary, 'packed', name);
    mkdirSync(packed, { recursive: true });
    this.run('npm', ['pack', build, '--pack-destination', packed, '--ignore-scripts', '--offline']);
    const [tarball = ''] = readdirSync(packed);
    const installed = join(this.folder, 'node_modules/@memfleet', name);
    mkdirSync(installed, { recursive: true });
    this.run('tar', ['-xzf', join(packed, tarball), '-C', installed, '--strip-components=1']);
    for (const dependency of Object.keys(this.manifest(name).dependencies)) {
      if (!dependency.startsWith('@memfleet/')) this.bring(dependency, `shared/${name}`);
    }
    return installed;
  }

  /** The repository's own copy of a package, as `from` finds it: so a test needs no registry. */
  bring(name: string, from = '.'): void {
    const path = join(this.folder, 'node_modules', name);
    if (existsSync(path)) return;
    const own = join(REPOSITORY, from, 'node_modules', name);
    const target = existsSync(own) ? own : join(REPOSITORY, 'node_modules', name);
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, path, 'dir');
  }

  manifest(name: string): PublishedManifest {
    const path = join(this.folder, 'node_modules/@memfleet', name, 'package.json');
    return JSON.parse(readFileSync(path, 'utf8')) as PublishedManifest;
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  /** Copies files. Sources that do not belong to the repository are stored as `.txt`. */
  copy(from: string): void {
    for (const name of readdirSync(from)) {
      cpSync(join(from, name), join(this.folder, name.replace(/\.txt$/, '')));
    }
  }

  /** @throws Error with the output */
  run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
    const result = this.attempt(command, args, env);
    if (result.status !== 0) {
      throw new Error(`${command} ${args.join(' ')}: ${result.stdout}${result.stderr}`);
    }
    return result.stdout;
  }

  attempt(
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): SpawnSyncReturns<string> {
    const result = spawnSync(command, args, {
      cwd: this.folder,
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    if (result.error !== undefined) throw result.error;
    return result;
  }

  /** The repository's compiler over one of the files. */
  compile(file: string, ...options: readonly string[]): SpawnSyncReturns<string> {
    const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc');
    const target = ['--target', 'es2023', '--module', 'nodenext', '--types', 'node'];
    const strict = ['--noEmit', '--strict', '--noUncheckedIndexedAccess'];
    const args = [tsc, ...target, ...strict, ...options, '--pretty', 'false', file];
    return this.attempt(process.execPath, args);
  }

  /** The lines that the compiler refuses, and those that say that it must. */
  wrongUses(file: string): { readonly refused: number[]; readonly marked: number[] } {
    const lines = readFileSync(join(this.folder, file), 'utf8').split('\n');
    const marked = lines.flatMap((line, index) => (line.includes('// wrong:') ? [index + 1] : []));
    const { stdout } = this.compile(file, '--skipLibCheck', '--exactOptionalPropertyTypes');
    const found = stdout.split('\n').flatMap((line) => {
      const place = line.startsWith(`${file}(`) ? line.slice(file.length + 1) : '';
      return place === '' ? [] : [Number.parseInt(place, 10)];
    });
    return { refused: [...new Set(found)], marked };
  }

  [Symbol.dispose](): void {
    rmSync(this.#temporary, { recursive: true, force: true });
  }
}
