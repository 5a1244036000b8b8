import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { publishSubject } from '@memfleet/events';
import { findLetter, park, requeueLetter } from '@memfleet/stages';
import { expect, test } from 'vitest';
import {
  createDeadLetterBench,
  type DeadLetterBench,
  type Handler,
  NAME,
  parkAll,
} from '../integration/dead-letters/bench.ts';
import { memoryCreated } from '../support/events.ts';
import { until } from '../support/until.ts';

const MAIN = fileURLToPath(new URL('../../workers/cli/src/main.ts', import.meta.url));

const poisoned: Handler = async () => park('invalid_input', 'cannot be read');

test('a discarded letter is erased, and the dedupe table says why', async () => {
  await using bench = await createDeadLetterBench();
  const [gone, kept] = [memoryCreated('a test message'), memoryCreated('a real one')];
  await parkAll(bench, [gone, kept], poisoned);
  const { code, stdout, stderr } = await bench.cli(
    'discard',
    '1',
    '--because',
    'a test\nmessage',
    '--yes',
    '--json',
  );
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({
    dryRun: false,
    discarded: 1,
    gone: 0,
    byReason: { invalid_input: 1 },
  });
  expect(stderr).toBe(
    `discarded dead letter 1 (${NAME}, acme/note, event ${gone.id}, log sequence 1): a test message\n`,
  );
  expect(await bench.ids()).toEqual([2]);
  expect(await bench.work()).toMatchObject([
    { event_id: gone.id, state: 'parked', reason: 'discarded: a test message', result: null },
    { event_id: kept.id, state: 'parked', reason: 'invalid_input' },
  ]);
  // A redelivery from the log leaves it where it is.
  const stage = bench.start();
  await bench.fleet.broker.jsm.consumers.reset(bench.fleet.config.log.stream, NAME, 1);
  await until('both were seen again', () => stage.progress.processed === 2);
  await bench.settled();
  expect([stage.calls, await bench.ids()]).toEqual([[], [2]]);
});

test('a redrive that meets a discard has no effect: a letter is good for one of the two', async () => {
  await using bench = await createDeadLetterBench();
  const { config, broker } = bench.fleet;
  const [first, second] = [memoryCreated('one'), memoryCreated('two')];
  await parkAll(bench, [first, second], poisoned);
  const letters = [
    await findLetter(broker.jsm, config, 1),
    await findLetter(broker.jsm, config, 2),
  ];
  // One is queued after its discard, the other is discarded while it waits in the queue.
  await bench.cli('discard', '1', '--because', 'a trial', '--yes');
  for (const letter of letters) {
    if (letter !== undefined) await requeueLetter(broker.connection, config, letter);
  }
  await bench.cli('discard', '2', '--because', 'a trial', '--yes');
  const stage = bench.start();
  await until('both are gone from the queue', async () => (await bench.queued()) === 0);
  expect([stage.calls, await bench.derived(), await bench.ids()]).toEqual([[], 0, []]);
  const rows = await bench.work();
  expect(rows.map(({ reason }) => reason)).toEqual(['discarded: a trial', 'discarded: a trial']);
});

test('a leftover letter does not count for the event once it was redriven', async () => {
  await using bench = await createDeadLetterBench();
  const { config, broker } = bench.fleet;
  await parkAll(bench, [memoryCreated('a note')], poisoned);
  const letter = await findLetter(broker.jsm, config, 1);
  if (letter === undefined) throw new Error('no letter');
  // A redrive that ended before it removed its letter.
  await requeueLetter(broker.connection, config, letter);
  bench.start(poisoned);
  await until('it is parked again', async () => (await bench.ids()).includes(2));
  await bench.settled();
  await bench.cli('discard', '1', '--because', 'a trial', '--yes');
  expect(await bench.ids()).toEqual([2]);
  expect(await bench.work()).toMatchObject([{ reason: 'invalid_input', redrives: 1 }]);
});

test('bytes that no version could read are discarded as well', async () => {
  await using bench = await createDeadLetterBench();
  const { config, broker } = bench.fleet;
  const subject = publishSubject(config.log.root, 'acme', 'note', 'content', 'created');
  await broker.jetstream.publish(subject, new Uint8Array([0xff, 0x00]));
  bench.start();
  await until('it is parked', async () => (await bench.ids()).length === 1);
  const { code, stdout } = await bench.cli('discard', '--all', '--because', 'noise', '--yes');
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'discarded 1 (invalid_event 1)\n' });
  expect(await bench.ids()).toEqual([]);
});

test('hundreds are discarded by a filter, batch after batch', async () => {
  await using bench = await createDeadLetterBench();
  const events = Array.from({ length: 250 }, (_, index) => memoryCreated(`note ${index}`));
  await parkAll(bench, events, poisoned);
  const { stdout } = await bench.cli(
    'discard',
    '--tenant',
    'acme',
    '--because',
    'a trial',
    '--yes',
  );
  expect(stdout).toBe('discarded 250 (invalid_input 250)\n');
  expect(await bench.ids()).toEqual([]);
  const rows = await bench.work();
  expect(rows.filter(({ reason }) => reason === 'discarded: a trial')).toHaveLength(250);
});

/** Gives a command a terminal; other systems need other options. */
const SCRIPT = '/usr/bin/script';

/** Runs the command at a terminal, and answers its question. */
async function atTerminal(bench: DeadLetterBench, answer: string): Promise<string> {
  const command = `'${process.execPath}' '${MAIN}' dead-letters discard --all --because 'a trial'`;
  const child = spawn(SCRIPT, ['-qec', command, '/dev/null'], {
    env: { PATH: process.env['PATH'], ...bench.fleet.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  let answered = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (answered || !said.includes('[y/N]')) return;
    answered = true;
    child.stdin.write(`${answer}\n`);
  });
  await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return said;
}

test.skipIf(!existsSync(SCRIPT) || process.platform !== 'linux')(
  'at a terminal it asks first, and anything but yes is no',
  async () => {
    await using bench = await createDeadLetterBench();
    await parkAll(bench, [memoryCreated('a note')], poisoned);
    const refused = await atTerminal(bench, 'n');
    expect(refused).toContain('Discard 1 dead letters for good (invalid_input 1)? [y/N]');
    expect(refused).toContain('nothing was discarded');
    expect(await bench.ids()).toEqual([1]);
    const agreed = await atTerminal(bench, 'y');
    expect(agreed).toContain('discarded 1 (invalid_input 1)');
    expect(await bench.ids()).toEqual([]);
  },
);
