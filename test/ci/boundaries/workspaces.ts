import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const rootManifest = z.object({ workspaces: z.array(z.string()) });
const versions = z.record(z.string(), z.string()).default({});
const manifest = z.object({
  name: z.string(),
  dependencies: versions,
  optionalDependencies: versions,
  peerDependencies: versions,
});

export interface Workspace {
  /** Relative to the root, with slashes, like `shared/runtime`. */
  readonly folder: string;
  readonly name: string;
  /** The packages its package.json lists for running. */
  readonly listed: ReadonlySet<string>;
  /** Its source files, relative to the root. */
  readonly files: readonly string[];
}

/** The workspaces that package.json declares, each with every source file on disk. */
export function readWorkspaces(root: string): Workspace[] {
  const patterns = rootManifest.parse(readJson(join(root, 'package.json'))).workspaces;
  const folders = patterns.flatMap((pattern) =>
    globSync(`${pattern}/package.json`, { cwd: root }).map((file) => dirname(file)),
  );
  return folders.toSorted().map((folder) => {
    const { name, ...lists } = manifest.parse(readJson(join(root, folder, 'package.json')));
    return {
      folder,
      name,
      listed: new Set(Object.values(lists).flatMap((list) => Object.keys(list))),
      files: sources(root, folder),
    };
  });
}

function sources(root: string, folder: string): string[] {
  return globSync(`${folder}/**/*.{ts,mts,cts,tsx,js,mjs,cjs,jsx}`, {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|dist|coverage)(\/|$)/.test(path),
  }).toSorted();
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
