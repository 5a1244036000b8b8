import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from 'oxc-parser';

/** Where a name that a workspace exports is declared. */
export interface Origin {
  /** Absolute. */
  readonly file: string;
  readonly name: string;
}

/** What `src/index.ts` of a workspace exports by name from its own files. */
export function readBarrel(folder: string): ReadonlyMap<string, Origin> {
  const path = join(folder, 'src/index.ts');
  const origins = new Map<string, Origin>();
  for (const { entries } of parseSync(path, readFileSync(path, 'utf8')).module.staticExports) {
    for (const { exportName, importName, moduleRequest } of entries) {
      if (moduleRequest?.value.startsWith('.') !== true) continue;
      if (exportName.name === null || importName.name === null) continue;
      const file = join(folder, 'src', moduleRequest.value);
      origins.set(exportName.name, { file, name: importName.name });
    }
  }
  return origins;
}
