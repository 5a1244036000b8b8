// dependency-cruiser needs an API that TypeScript 7 no longer has, finds no .ts module and passes; with swc as its
// parser it does not support `using`. So we have our own check, on the parser that knip and the linter use.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { findCycles, type Graph } from './cycles.ts';
import { type Import, importsOf, packageOf } from './imports.ts';
import { LOADER, mayImport } from './layers.ts';
import { readWorkspaces, type Workspace } from './workspaces.ts';

export type Rule =
  | 'layers'
  | 'relative'
  | 'deep'
  | 'test'
  | 'unlisted'
  | 'missing'
  | 'computed'
  | 'cycle'
  | 'floor'
  | 'blind';

export interface Violation {
  /** Relative to the root. */
  readonly file: string;
  readonly line: number;
  readonly rule: Rule;
  readonly message: string;
}

export interface Report {
  readonly modules: number;
  readonly imports: number;
  /** Imports of one workspace by another: a check that sees none has seen nothing. */
  readonly crossings: number;
  readonly violations: readonly Violation[];
}

/** The problem of one import, and the file of the same workspace that it leads to, if any. */
interface Finding {
  readonly rule?: Rule;
  readonly message?: string;
  readonly target?: string;
  readonly crossing?: boolean;
}

/** Reads every source file of every workspace below `root` and checks its imports against the rules. */
export function checkBoundaries(root: string): Report {
  const workspaces = readWorkspaces(root);
  const violations: Violation[] = [];
  let modules = 0;
  let imports = 0;
  let crossings = 0;

  for (const workspace of workspaces) {
    const graph = new Map<string, Set<string>>();
    for (const file of workspace.files) {
      const targets = new Set<string>();
      graph.set(file, targets);
      modules += 1;
      for (const found of importsOf(file, readFileSync(join(root, file), 'utf8'))) {
        imports += 1;
        const { rule, message, target, crossing } = judge(root, workspace, workspaces, file, found);
        if (target !== undefined) targets.add(target);
        if (crossing === true) crossings += 1;
        if (rule !== undefined) {
          violations.push({ file, line: found.line, rule, message: message ?? rule });
        }
      }
    }
    for (const cycle of findCycles(graph)) {
      const message = `imports itself in a circle: ${cycle.join(' → ')}`;
      violations.push({ file: cycle[0] ?? workspace.folder, line: 1, rule: 'cycle', message });
    }
    violations.push(...floorsOf(workspace.folder, graph));
  }
  return {
    modules,
    imports,
    crossings,
    violations: [...violations, ...blindness(workspaces, crossings)],
  };
}

/** The folders of a workspace form layers too: of two, at most one imports the other, directly or not. */
function floorsOf(workspace: string, graph: Graph): Violation[] {
  const imports = new Map<string, string>();
  const folders = new Map<string, Set<string>>();
  for (const [file, targets] of graph) {
    for (const target of targets) {
      const [from, to] = [folderOf(workspace, file), folderOf(workspace, target)];
      if (from === to) continue;
      folders.set(from, (folders.get(from) ?? new Set()).add(to));
      imports.set(`${from} → ${to}`, `${file} imports ${target}`);
    }
  }
  // Files alone that import each other are a cycle already.
  const knots = findCycles(folders).filter((cycle) => cycle.some((folder) => !graph.has(folder)));
  return knots.map((cycle) => {
    const steps = cycle.slice(1).map((to, at) => imports.get(`${cycle[at]} → ${to}`) ?? '');
    const [first = workspace] = cycle;
    const message = `its folders import each other: ${steps.join(', ')}`;
    return { file: first, line: 1, rule: 'floor', message };
  });
}

/** The first folder below `src`; a file in no folder counts as one. */
function folderOf(workspace: string, file: string): string {
  const sources = `${workspace}/src/`;
  const [first = ''] = file.slice(sources.length).split('/');
  return file.startsWith(sources) ? sources + first : file;
}

function judge(
  root: string,
  own: Workspace,
  all: readonly Workspace[],
  file: string,
  { specifier }: Import,
): Finding {
  if (specifier === undefined) {
    if (file === LOADER) return {};
    return {
      rule: 'computed',
      message: 'computes what it imports, which nothing can check: write it out',
    };
  }
  if (specifier.startsWith('.')) return judgeRelative(root, own, file, specifier);
  const name = packageOf(specifier);
  if (name === undefined) return {};
  const workspace = all.find((other) => other.name === name);
  if (workspace !== undefined && workspace !== own) {
    return judgeWorkspace(own, workspace, specifier);
  }
  if (workspace === own) {
    return { rule: 'cycle', message: `imports its own workspace ${name}: use a relative path` };
  }
  if (own.listed.has(name)) return {};
  return {
    rule: 'unlisted',
    message: `imports ${name}, which ${own.folder}/package.json does not list`,
  };
}

function judgeRelative(root: string, own: Workspace, file: string, specifier: string): Finding {
  const target = posix.join(dirname(file), specifier);
  if (target.startsWith(`${own.folder}/`)) {
    if (existsSync(join(root, target))) return { target };
    return { rule: 'missing', message: `imports ${specifier}, which does not exist` };
  }
  if (target.startsWith('test/')) {
    return { rule: 'test', message: `imports ${target}: what is shipped must not need the tests` };
  }
  return {
    rule: 'relative',
    message: `leaves its workspace for ${target}: import the other workspace by its package name`,
  };
}

function judgeWorkspace(own: Workspace, other: Workspace, specifier: string): Finding {
  const allowed = mayImport(own.folder);
  if (allowed === undefined) {
    return {
      rule: 'layers',
      message: `imports ${other.name}, but ${own.folder} has no place in test/ci/boundaries/layers.ts yet`,
    };
  }
  if (!allowed.includes(other.folder)) {
    const list = allowed.length === 0 ? 'no other workspace' : `only ${allowed.join(', ')}`;
    return {
      rule: 'layers',
      message: `imports ${other.folder}, but ${own.folder} may import ${list}`,
    };
  }
  if (specifier !== other.name) {
    return {
      rule: 'deep',
      message: `reaches into ${specifier}: import ${other.name} and export it there`,
    };
  }
  if (!own.listed.has(other.name)) {
    return {
      rule: 'unlisted',
      message: `imports ${other.name}, which ${own.folder}/package.json does not list`,
    };
  }
  return { crossing: true };
}

// A check that looks in the wrong place passes for ever.
function blindness(workspaces: readonly Workspace[], crossings: number): Violation[] {
  const blind = workspaces
    .filter(({ files }) => files.length === 0)
    .map(
      ({ folder }) => `has no source file, or they are not where they are looked for: ${folder}`,
    );
  if (workspaces.length === 0) blind.push('declares no workspaces');
  if (crossings === 0) blind.push('no import between workspaces was seen, so nothing was checked');
  return blind.map((message) => ({ file: 'package.json', line: 1, rule: 'blind', message }));
}
