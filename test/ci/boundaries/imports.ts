import { isBuiltin } from 'node:module';
import { parseSync, Visitor } from 'oxc-parser';

/** One import of a module: static, re-export, `import()`, or `import('…')` in a type. */
export interface Import {
  /** The text between the quotes; undefined when it is computed at run time. */
  readonly specifier: string | undefined;
  /** 1-based. */
  readonly line: number;
}

/**
 * Every import in a source text, also those of types only.
 * @throws when the text does not parse: an unreadable file cannot be approved.
 */
export function importsOf(file: string, source: string): Import[] {
  const parsed = parseSync(file, source);
  const [error] = parsed.errors;
  if (error !== undefined) throw new Error(`${file}: cannot be parsed: ${error.message}`);

  const { staticImports, staticExports, dynamicImports } = parsed.module;
  const found: { specifier: string | undefined; start: number }[] = [];
  for (const { moduleRequest } of staticImports) {
    found.push({ specifier: moduleRequest.value, start: moduleRequest.start });
  }
  for (const { entries } of staticExports) {
    const request = entries.find((entry) => entry.moduleRequest !== null)?.moduleRequest;
    if (request) found.push({ specifier: request.value, start: request.start });
  }
  for (const { moduleRequest } of dynamicImports) {
    const text = source.slice(moduleRequest.start, moduleRequest.end);
    found.push({ specifier: literal(text), start: moduleRequest.start });
  }
  new Visitor({
    TSImportType: ({ source: { value, start } }) => found.push({ specifier: value, start }),
  }).visit(parsed.program);

  return found.map(({ specifier, start }) => ({ specifier, line: lineAt(source, start) }));
}

/** The package a bare specifier names, or undefined for a relative path or a module of Node itself. */
export function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('/') || isBuiltin(specifier)) {
    return undefined;
  }
  const [scopeOrName = '', name] = specifier.split('/');
  return scopeOrName.startsWith('@') ? `${scopeOrName}/${name ?? ''}` : scopeOrName;
}

function literal(text: string): string | undefined {
  return /^(['"`])([^'"`\\$]*)\1$/.exec(text)?.[2];
}

function lineAt(source: string, offset: number): number {
  return source.slice(0, offset).split('\n').length;
}
