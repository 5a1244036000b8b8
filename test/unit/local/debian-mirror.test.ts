import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { debianMirror } from '../../../deploy/local/src/nats/debian.ts';

describe('debianMirror', () => {
  let etc: string;
  beforeEach(async () => {
    etc = await mkdtemp(join(tmpdir(), 'memfleet-apt-'));
    await mkdir(join(etc, 'sources.list.d'));
  });
  afterEach(async () => {
    await rm(etc, { recursive: true });
  });

  it('is none on a machine that names none', async () => {
    expect(await debianMirror(etc)).toBeUndefined();
  });

  it('is the one of the machine, in one-line style', async () => {
    await writeFile(
      join(etc, 'sources.list'),
      [
        '# deb http://commented.example/debian bookworm main',
        'deb http://security.example/debian-security bookworm-security main',
        'deb [signed-by=/k.gpg arch=amd64] http://mirror.example/debian bookworm main',
      ].join('\n'),
    );
    expect(await debianMirror(etc)).toBe('http://mirror.example/debian');
  });

  it('is the one of the machine, in deb822 style', async () => {
    await writeFile(
      join(etc, 'sources.list.d', 'debian.sources'),
      'Types: deb\nURIs: https://mirror.example/debian/\nSuites: trixie\n',
    );
    expect(await debianMirror(etc)).toBe('https://mirror.example/debian/');
  });

  it('is not that of another vendor, nor from files that apt does not read', async () => {
    await writeFile(
      join(etc, 'sources.list'),
      'deb https://packages.vendor.example/apt stable main\n',
    );
    await writeFile(
      join(etc, 'sources.list.d', 'old.list.save'),
      'deb http://mirror.example/debian bookworm main\n',
    );
    expect(await debianMirror(etc)).toBeUndefined();
  });
});
