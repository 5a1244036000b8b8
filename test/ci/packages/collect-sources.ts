import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseSync } from 'oxc-parser';
import { packageOf } from '../boundaries/imports.ts';
import { readWorkspaces } from '../boundaries/workspaces.ts';
import { type Origin, readBarrel } from './barrel.ts';
import { BuildError } from './build-error.ts';
import { type Manifest, readManifest } from './manifest.ts';

/** The self-contained sources of a package, including what they need from private workspaces. */
export interface Sources {
  /** By path below `src` of the package; those of a private workspace are in `internal/<workspace>`. */
  readonly files: ReadonlyMap<string, string>;
  /** The workspaces they come from. Absolute; the place of each is as in `files`. */
  readonly folders: ReadonlyMap<string, string>;
  /** The packages that they import, with exact versions. */
  readonly packages: ReadonlyMap<string, string>;
}

interface Workspace {
  /** Absolute. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** Where its `src` goes. */
  readonly place: string;
  readonly barrel: ReadonlyMap<string, Origin>;
}

/** One `import` or `export … from`. */
interface Statement {
  readonly start: number;
  readonly end: number;
  readonly keyword: 'import' | 'export';
  readonly specifier: string;
  readonly entries: readonly Entry[];
}

interface Entry {
  /** The name in the other module, and the name in this one. */
  readonly name: string;
  readonly as: string;
  readonly isType: boolean;
}

/**
 * Follows the imports of a package's `src/index.ts`. An import from a private workspace becomes one from the
 * file that declares the name, so that only needed files are included, and not everything that the
 * workspace exports.
 * @throws BuildError
 */
export function collectSources(root: string, own: string): Sources {
  const { devDependencies = {} } = readManifest(root);
  const workspaces = workspacesOf(root, own);
  const files = new Map<string, string>();
  const folders = new Map<string, string>();
  const packages = new Map<string, string>();

  const visit = (path: string, home: Workspace): void => {
    const place = placeOf(path, home);
    if (files.has(place)) return;
    folders.set(home.folder, home.place);
    const source = readFileSync(path, 'utf8');
    const statements = statementsOf(path, source);
    let text = source;
    // From the end, so that the places of those before stay.
    const targets: [string, Workspace][] = [];
    for (const statement of statements.toReversed()) {
      const { specifier, entries } = statement;
      if (specifier.startsWith('.')) {
        targets.push([join(dirname(path), specifier), home]);
        continue;
      }
      const name = packageOf(specifier);
      if (name === undefined) continue;
      const other = workspaces.get(name);
      if (other?.manifest.private !== true) {
        const isType = entries.length > 0 && entries.every((entry) => entry.isType);
        addPackage(packages, name, { isType, home, devDependencies });
        continue;
      }
      const direct = originsOf(entries, other, path);
      targets.push(...direct.map(({ file }) => [file, other] as [string, Workspace]));
      const lines = rewritten(statement.keyword, direct, (file) =>
        relativeImport(place, placeOf(file, other)),
      );
      text = text.slice(0, statement.start) + lines + text.slice(statement.end);
    }
    files.set(place, text);
    for (const [file, workspace] of targets) visit(file, workspace);
  };

  const start = [...workspaces.values()].find(({ folder }) => folder === own);
  if (start === undefined) throw new BuildError(`${own} is no workspace.`);
  visit(join(own, 'src/index.ts'), start);
  return { files, folders, packages };
}

function workspacesOf(root: string, own: string): ReadonlyMap<string, Workspace> {
  return new Map(
    readWorkspaces(root)
      .filter(({ folder }) => folder.startsWith('shared/'))
      .map(({ name, folder: from }) => {
        const folder = join(root, from);
        const place = folder === own ? '' : `internal/${from.replace('shared/', '')}`;
        return [
          name,
          { folder, manifest: readManifest(folder), place, barrel: readBarrel(folder) },
        ];
      }),
  );
}

function placeOf(path: string, { folder, place }: Workspace): string {
  return join(place, relative(join(folder, 'src'), path));
}

function relativeImport(from: string, to: string): string {
  const path = relative(dirname(from), to);
  return path.startsWith('.') ? path : `./${path}`;
}

function statementsOf(path: string, source: string): Statement[] {
  const { module } = parseSync(path, source);
  const imports = module.staticImports.map(({ start, end, moduleRequest, entries }) => ({
    start,
    end,
    keyword: 'import' as const,
    specifier: moduleRequest.value,
    entries: entries.map(({ importName, localName, isType }) => ({
      name: importName.name ?? '',
      as: localName.value,
      isType,
    })),
  }));
  const exports = module.staticExports.flatMap(({ start, end, entries }) => {
    const specifier = entries[0]?.moduleRequest?.value;
    if (specifier === undefined) return [];
    return {
      start,
      end,
      keyword: 'export' as const,
      specifier,
      entries: entries.map(({ importName, exportName, isType }) => ({
        name: importName.name ?? '',
        as: exportName.name ?? '',
        isType,
      })),
    };
  });
  return [...imports, ...exports].toSorted((a, b) => a.start - b.start);
}

/** A package of which only types are used: `@types/…` if its types are there. */
function addPackage(
  packages: Map<string, string>,
  name: string,
  use: {
    readonly isType: boolean;
    readonly home: Workspace;
    readonly devDependencies: Readonly<Record<string, string>>;
  },
): void {
  const { isType, home, devDependencies } = use;
  const types = `@types/${name}`;
  const typesVersion = devDependencies[types];
  if (typesVersion !== undefined) packages.set(types, typesVersion);
  if (isType && typesVersion !== undefined) return;
  const version = home.manifest.dependencies?.[name];
  if (version === undefined) {
    throw new BuildError(`${home.folder}/package.json does not list ${name}; add it.`);
  }
  packages.set(name, version);
}

type Direct = Entry & { readonly file: string };

function originsOf(entries: readonly Entry[], other: Workspace, path: string): Direct[] {
  return entries.map((entry) => {
    const origin = other.barrel.get(entry.name);
    if (origin !== undefined) return { ...entry, ...origin };
    throw new BuildError(
      `${path}: name one by one what is taken of ${other.manifest.name}, from where it is declared.`,
    );
  });
}

/** One statement per file, with types separate: an import of types alone must not load anything. */
function rewritten(
  keyword: Statement['keyword'],
  direct: readonly Direct[],
  specifierOf: (file: string) => string,
): string {
  const groups = Map.groupBy(direct, ({ file, isType }) => `${isType ? ' type' : ''} ${file}`);
  return [...groups.values()]
    .map((group) => {
      const [first] = group;
      const names = group.map(({ name, as }) => (name === as ? name : `${name} as ${as}`));
      const type = first?.isType === true ? ' type' : '';
      return `${keyword}${type} { ${names.join(', ')} } from '${specifierOf(first?.file ?? '')}';`;
    })
    .join(' ');
}
