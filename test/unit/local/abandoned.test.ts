import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { noteOrigin, sweepAbandoned } from '../../../deploy/local/src/postgres/abandoned.ts';

const TOMORROW = Date.now() + 86_400_000;

describe('sweepAbandoned', () => {
  let farAway: string;
  beforeEach(async () => {
    farAway = await mkdtemp(join(tmpdir(), 'memfleet-far-'));
    for (const name of ['gone', 'there', 'home', 'unknown']) await mkdir(join(farAway, name));
    await noteOrigin(join(farAway, 'gone'), join(tmpdir(), 'memfleet-test-gone', 'postgres'));
    await noteOrigin(join(farAway, 'there'), farAway);
    await noteOrigin(join(farAway, 'home'), '/root/project/.memfleet/postgres');
  });
  afterEach(async () => {
    await rm(farAway, { recursive: true });
  });

  it('removes data whose temporary folder is gone, and no other', async () => {
    await sweepAbandoned(farAway, TOMORROW);
    expect((await readdir(farAway)).toSorted()).toEqual(['home', 'there', 'unknown']);
  });

  it('leaves fresh data alone: the link to them may be made at this moment', async () => {
    await sweepAbandoned(farAway);
    expect(await readdir(farAway)).toHaveLength(4);
  });
});
