import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type Contract,
  type ContractFixture,
  FIXTURE_ENVELOPE,
  type JsonSchema,
} from './contract.ts';
import { canonicalJson } from './payload.ts';

/** Where a contract is kept. */
export interface ContractPlace {
  /** Folder of the schemas, one file each. */
  readonly schemas: string;
  /** The file of all golden fixtures. */
  readonly fixtures: string;
}

interface FixtureFile {
  /** The envelope of every fixture, except for `type`, `schemaversion` and `data`. */
  readonly envelope: Readonly<Record<string, unknown>>;
  readonly fixtures: readonly ContractFixture[];
}

/** The promises in the files; empty when there are none yet. */
export async function readContract(place: ContractPlace): Promise<Contract> {
  const names = await unlessMissing(readdir(place.schemas), []);
  const schemas: Record<string, JsonSchema> = {};
  for (const name of names.filter((file) => file.endsWith('.json')).toSorted()) {
    schemas[name] = JSON.parse(await readFile(join(place.schemas, name), 'utf8')) as JsonSchema;
  }
  const text = await unlessMissing(readFile(place.fixtures, 'utf8'), '{"fixtures":[]}');
  const { fixtures } = JSON.parse(text) as FixtureFile;
  return { schemas, fixtures };
}

/** Writes the contract, which must keep all promises of the files. Unchanged files stay as they are. */
export async function writeContract(place: ContractPlace, contract: Contract): Promise<void> {
  for (const [name, schema] of Object.entries(contract.schemas)) {
    await writeJson(join(place.schemas, name), schema);
  }
  const file: FixtureFile = { envelope: FIXTURE_ENVELOPE, fixtures: contract.fixtures };
  await writeJson(place.fixtures, file);
}

async function writeJson(path: string, value: unknown): Promise<void> {
  const before = await unlessMissing(readFile(path, 'utf8'), 'null');
  if (canonicalJson(JSON.parse(before)) === canonicalJson(value)) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

async function unlessMissing<Value>(reading: Promise<Value>, otherwise: Value): Promise<Value> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return otherwise;
    throw error;
  }
}
