import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import type { z } from 'zod';
import { RuntimeError } from '../errors.ts';
import { type FleetConfig, fleetSchema, type StageSections } from './schema.ts';
import { keysAt, type Setting, settingsIn } from './settings.ts';
import { didYouMean } from './suggest.ts';

/** Our environment variables that are not settings of the fleet. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  'MEMFLEET_STATE',
  'MEMFLEET_CACHE',
  'MEMFLEET_CONTAINERS',
  'MEMFLEET_NATS_SERVER',
  'MEMFLEET_CRASH_AT',
  'MEMFLEET_CONFIG',
  'MEMFLEET_CONTEXT',
]);

const MODULES_VARIABLE = 'MEMFLEET_MODULES';

export interface ConfigSources {
  /** The file with all defaults; ours is config/fleet.yaml. */
  readonly defaults: string;
  /** A file with only the settings that differ. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Single settings by path, such as `{ 'stages.extraction.concurrency': '8' }`. */
  readonly flags?: Readonly<Record<string, string>>;
}

type Tree = { [key: string]: unknown };

/** The stages that a configuration may have settings for. */
export interface StageSettings {
  readonly sections: StageSections;
  /** Default settings, by name, of stages that the file of defaults does not contain. */
  readonly defaults?: Readonly<Record<string, object>>;
}

/**
 * The configuration of a fleet with these stages. Defaults < file < environment < flags.
 * @throws RuntimeError CONFIG_INVALID that lists every problem with its path.
 */
export function loadSettings(sources: ConfigSources, stages: StageSettings): FleetConfig {
  const problems: string[] = [];
  const schema = fleetSchema(stages.sections);
  const tree = readYaml(sources.defaults, problems);
  merge(tree, { stages: { ...stages.defaults } });
  if (sources.file !== undefined) merge(tree, readYaml(sources.file, problems));
  const settings = settingsIn(schema);
  applyEnvironment(tree, settings, sources.env, problems);
  applyFlags(tree, settings, sources.flags ?? {}, problems);
  const parsed = schema.safeParse(tree);
  if (!parsed.success) {
    problems.push(...parsed.error.issues.flatMap((issue) => describe(issue, schema)));
  } else problems.push(...contradictions(parsed.data));
  if (!parsed.success || problems.length > 0) throw invalid(problems);
  return parsed.data;
}

/** A module, and the folder from which its relative path or its package is resolved. */
export interface ModuleReference {
  readonly specifier: string;
  readonly folder: string;
}

/**
 * The modules that a configuration names. They are read before everything else, since they add sections.
 * @param cwd the folder for modules that the environment names instead of a file
 * @throws RuntimeError CONFIG_INVALID when the configuration cannot be read
 */
export function moduleReferences(
  { defaults, file, env }: ConfigSources,
  cwd: string,
): ModuleReference[] {
  const problems: string[] = [];
  const inEnv = env[MODULES_VARIABLE];
  const inFiles = [...(file === undefined ? [] : [file]), defaults]
    .map((path) => ({ path, modules: readYaml(path, problems)['modules'] }))
    .find(({ modules }) => modules !== undefined);
  if (problems.length > 0) throw invalid(problems);
  const named = inEnv === undefined ? inFiles?.modules : scalar(inEnv, 'modules');
  const isInFile = inEnv === undefined && inFiles !== undefined;
  const folder = isInFile ? dirname(resolve(inFiles.path)) : cwd;
  // A value that is no list of texts is reported when the whole configuration is checked.
  const specifiers = Array.isArray(named) ? named.filter((one) => typeof one === 'string') : [];
  return specifiers.map((specifier) => ({ specifier, folder }));
}

function invalid(problems: readonly string[]): RuntimeError {
  const list = problems.map((problem) => `\n  - ${problem}`).join('');
  const noun = problems.length === 1 ? 'problem' : 'problems';
  return new RuntimeError(
    'CONFIG_INVALID',
    `the configuration has ${problems.length} ${noun}:${list}`,
  );
}

function readYaml(path: string, problems: string[]): Tree {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    problems.push(`${path} cannot be read: ${(error as Error).message}`);
    return {};
  }
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    problems.push(
      ...document.errors.map((error) => `${path}: ${error.message.split('\n')[0] ?? ''}`),
    );
    return {};
  }
  const value: unknown = document.toJS();
  if (value === null) return {};
  if (isTree(value)) return value;
  problems.push(`${path} must hold a map of settings`);
  return {};
}

function applyEnvironment(
  tree: Tree,
  settings: readonly Setting[],
  env: ConfigSources['env'],
  problems: string[],
): void {
  const byVariable = new Map(settings.map((setting) => [setting.variable, setting.path]));
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('MEMFLEET_') || OTHER_VARIABLES.has(name) || value === undefined) continue;
    const fromFile = !byVariable.has(name) && name.endsWith('_FILE');
    const variable = fromFile ? name.slice(0, -'_FILE'.length) : name;
    const path = byVariable.get(variable);
    if (path === undefined) {
      problems.push(`unknown environment variable ${name}${didYouMean(name, byVariable.keys())}`);
      continue;
    }
    const text = fromFile ? readSecret(value, name, problems) : value;
    if (text !== undefined) assign(tree, path, text);
  }
}

function applyFlags(
  tree: Tree,
  settings: readonly Setting[],
  flags: Readonly<Record<string, string>>,
  problems: string[],
): void {
  const byPath = new Map(settings.map((setting) => [setting.path.join('.'), setting.path]));
  for (const [name, value] of Object.entries(flags)) {
    const path = byPath.get(name);
    if (path !== undefined) assign(tree, path, value);
    else problems.push(`unknown setting ${name}${didYouMean(name, byPath.keys())}`);
  }
}

function readSecret(path: string, name: string, problems: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    problems.push(`${name} names a file that cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

/** Reads a variable's text as YAML, so that it may hold numbers, booleans and maps. */
function assign(tree: Tree, path: readonly string[], text: string): void {
  let here = tree;
  for (const key of path.slice(0, -1)) {
    const next = here[key];
    if (isTree(next)) here = next;
    else here[key] = here = {};
  }
  const last = path.at(-1);
  if (last !== undefined) here[last] = scalar(text, last);
}

function scalar(text: string, key: string): unknown {
  // A key made of digits is still a key.
  if (key === 'apiKey' || key === 'model') return text;
  const document = parseDocument(text);
  return document.errors.length > 0 ? text : (document.toJS() as unknown);
}

function merge(target: Tree, source: Tree): void {
  for (const [key, value] of Object.entries(source)) {
    const before = target[key];
    // A provider of another kind shares no settings with the one it replaces.
    const replaces =
      isTree(value) && isTree(before) && 'kind' in value && value['kind'] !== before['kind'];
    if (isTree(value) && isTree(before) && !replaces) merge(before, value);
    else target[key] = isTree(value) ? structuredClone(value) : value;
  }
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType): string[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, issue.path);
    return issue.keys.map((key) => {
      const full = path === '' ? key : `${path}.${key}`;
      return `unknown setting ${full}${didYouMean(key, known)}`;
    });
  }
  return [`${path === '' ? 'the configuration' : path}: ${issue.message}`];
}

/** Problems that no single value shows. */
function contradictions(config: FleetConfig): string[] {
  const problems: string[] = [];
  for (const [name, stage] of Object.entries(config.stages)) {
    const at = `stages.${name}`;
    if (stage.deadline < stage.ackWait) {
      problems.push(
        `${at}.deadline: must be at least ${at}.ackWait, or a call ends before its first heartbeat`,
      );
    }
    if (stage.maxAckPending < stage.concurrency) {
      problems.push(`${at}.maxAckPending: must be at least ${at}.concurrency, or slots stay empty`);
    }
    if (Object.keys(stage.inputs).length === 0) problems.push(`${at}.inputs: names no consumer`);
  }
  const durables = Object.values(config.stages).flatMap((stage) =>
    Object.values(stage.inputs).map((input) => input.durable),
  );
  for (const [index, durable] of durables.entries()) {
    if (durables.indexOf(durable) !== index) problems.push(`the durable ${durable} is named twice`);
  }
  return problems;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
