import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { copiesOf, type Stage } from './dockerfile.ts';

/** Names that .dockerignore excludes in any folder below a copied one. */
const IGNORED = /(^|\/)(node_modules|dist|coverage)(\/|$)|\.(tgz|tsbuildinfo)$/;

/**
 * Executes a stage in folders instead of layers: copies exactly what it copies, runs what it runs.
 * @returns where each stage's working directory is
 */
export function buildStages(
  context: string,
  stages: readonly Stage[],
  into: string,
): Map<Stage, string> {
  const folders = new Map<Stage, string>();
  for (const [index, stage] of stages.entries()) {
    const folder = join(into, String(index));
    mkdirSync(folder, { recursive: true });
    for (const { from, sources, target } of copiesOf(stage)) {
      const origin = stages.find(({ name }) => name === from && name !== undefined);
      const base = origin === undefined ? undefined : folders.get(origin);
      if (from !== undefined && base === undefined) throw new Error(`there is no stage ${from}`);
      if (base === undefined) copyFromContext(context, sources, join(folder, target), target);
      // A stage's whole working directory: the only copy between stages that ours makes.
      else cpSync(base, join(folder, target), { recursive: true, verbatimSymlinks: true });
    }
    for (const { keyword, rest } of stage.instructions) {
      if (keyword === 'RUN') run(rest, folder);
    }
    folders.set(stage, folder);
  }
  return folders;
}

function copyFromContext(
  context: string,
  sources: readonly string[],
  to: string,
  target: string,
): void {
  for (const source of sources) {
    const from = join(context, source);
    if (!existsSync(from)) throw new Error(`COPY ${source}: there is no such file`);
    const isFolder = statSync(from).isDirectory();
    const intoFolder = !isFolder && (target.endsWith('/') || target === '.');
    cpSync(from, intoFolder ? join(to, basename(source)) : to, {
      recursive: true,
      filter: (path) => !IGNORED.test(relative(context, path)),
    });
  }
}

function run(command: string, cwd: string): void {
  execFileSync('/bin/sh', ['-c', command], { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}
