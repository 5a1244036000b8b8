/**
 * Keeps the promises of the catalogue in files: `node shared/events/schemas.ts` adds the JSON Schema
 * of new versions to config/schemas and new golden fixtures to test/fixtures/events/golden.json, and
 * refuses to touch what is there. With `--check` it only compares. `--root DIR` works on another
 * checkout's files. Exit code 1 and one line per difference when code and files disagree.
 */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CATALOGUE } from './src/catalogue/index.ts';
import { readContract, writeContract } from './src/contract-files.ts';
import { compareContracts, type ContractChange, contractOf, isBreaking } from './src/contract.ts';

const SENTENCE: Readonly<Record<ContractChange['kind'], string>> = {
  new: 'is not in the files yet; run `node shared/events/schemas.ts` and commit what it writes',
  extended: 'has more than the files say; run `node shared/events/schemas.ts` and commit it',
  changed: 'was published and is not edited; restore it, and add a new version instead',
  removed: 'was published and stays; restore it',
};

const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    root: { type: 'string', default: join(import.meta.dirname, '../..') },
  },
});
const root = resolve(values.root);
const place = {
  schemas: join(root, 'config/schemas'),
  fixtures: join(root, 'test/fixtures/events/golden.json'),
};
const today = contractOf(CATALOGUE);
const changes = compareContracts(await readContract(place), today);
const breaking = changes.filter(isBreaking);

if (values.check || breaking.length > 0) {
  for (const { what, kind } of values.check ? changes : breaking) {
    process.stderr.write(`${what} ${SENTENCE[kind]}\n`);
  }
  if (changes.length > 0) process.exitCode = 1;
} else {
  await writeContract(place, today);
  for (const { what } of changes) process.stdout.write(`added ${what}\n`);
}
if (changes.length === 0) {
  process.stdout.write(`schemas: ok, ${Object.keys(today.schemas).length} as published\n`);
}
