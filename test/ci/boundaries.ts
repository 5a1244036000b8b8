// `node test/ci/boundaries.ts [ROOT]` checks that workspaces import each other only as ARCHITECTURE.md allows.
// Exit code 1 and one line per violation when they are not.
import { resolve } from 'node:path';
import { checkBoundaries } from './boundaries/check.ts';

const root = resolve(process.argv[2] ?? `${import.meta.dirname}/../..`);
const { modules, imports, crossings, violations } = checkBoundaries(root);

for (const { file, line, rule, message } of violations) {
  console.error(`${file}:${line}: ${message} [${rule}]`);
}
const summary = `${modules} modules, ${imports} imports, ${crossings} of them between workspaces`;
if (violations.length > 0) {
  console.error(`boundaries: ${violations.length} violations in ${summary}`);
  process.exitCode = 1;
} else {
  console.log(`boundaries: ok, ${summary}`);
}
