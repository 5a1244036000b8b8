import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { publishSubject } from '@memfleet/events';
import { DEAD_LETTER_HEADERS, park, redriveStreamName } from '@memfleet/stages';
import { headers } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { type CliFleet, startCli } from '../integration/cli/run-cli.ts';
import { createDeadLetterBench, NAME, parkAll } from '../integration/dead-letters/bench.ts';
import { memoryCreated } from '../support/events.ts';
import { until } from '../support/until.ts';
import { WorkerProcess } from '../support/worker-process.ts';

const EXTRACTION = fileURLToPath(new URL('../../workers/extraction/src/main.ts', import.meta.url));

const LETTERS = 20_000;
const BYTES = 8 * 1_024;
/** Memory that a listing which keeps all letters would need in addition to Node itself. */
const ALL_OF_THEM_MB = (LETTERS * BYTES) / 1e6;

/** Letters as stages write them, without a stage. */
async function writeLetters({ broker, config }: CliFleet, count: number): Promise<void> {
  const { root, stream } = config.deadLetters;
  const data = new Uint8Array(BYTES).fill(120);
  const write = async (index: number): Promise<void> => {
    const header = headers();
    header.set('Nats-Msg-Id', `letter ${index}`);
    header.set('Nats-Expected-Stream', stream);
    header.set(DEAD_LETTER_HEADERS.reason, 'invalid_output');
    header.set(DEAD_LETTER_HEADERS.message, `number ${index}`);
    header.set(DEAD_LETTER_HEADERS.sequence, String(index));
    await broker.jetstream.publish(`${root}.${NAME}.acme.m-${index}`, data, { headers: header });
  };
  for (let done = 0; done < count; done += 500) {
    const indexes = Array.from({ length: Math.min(500, count - done) }, (_, at) => done + at + 1);
    await Promise.all(indexes.map(write));
  }
}

/** The most memory a process has had resident so far, in MB; undefined when it has ended. */
function peakMB(pid: number | undefined): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(text) ?? [];
    return kilobytes === undefined ? undefined : (Number(kilobytes) * 1_024) / 1e6;
  } catch {
    return undefined;
  }
}

interface Watched {
  readonly code: number | null;
  readonly lines: string[];
  readonly peak: number;
}

/** Runs a command, and measures its memory whenever it prints something. */
async function watched(fleet: CliFleet, args: readonly string[], slow = false): Promise<Watched> {
  const child = startCli(['dead-letters', ...args], { env: fleet.env, cwd: fleet.folder });
  let text = '';
  let peak = 0;
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    text += String(chunk);
    peak = Math.max(peak, peakMB(child.pid) ?? 0);
    // A reader that is slower than the server.
    if (slow) await turn();
  }
  if (child.exitCode === null) await once(child, 'exit');
  const code = child.exitCode;
  return { code, peak, lines: text.split('\n').filter((line) => line !== '') };
}

// A process's memory is read from /proc.
test.skipIf(process.platform !== 'linux')(
  '20,000 letters are listed and redriven in bounded memory, over a kill in the middle',
  async () => {
    await using bench = await createDeadLetterBench();
    const { fleet } = bench;
    await writeLetters(fleet, 20);
    const few = await watched(fleet, ['list', '--json']);
    await writeLetters(fleet, LETTERS);
    const all = await watched(fleet, ['list', '--json'], true);
    // The Msg-Ids of the first twenty were sent again, and stored nothing.
    expect({ code: all.code, letters: all.lines.length }).toEqual({ code: 0, letters: LETTERS });
    const numbers = all.lines.map(
      (line) => (JSON.parse(line) as { logSequence: number }).logSequence,
    );
    expect(numbers).toEqual(Array.from({ length: LETTERS }, (_, index) => index + 1));
    expect(few.peak).toBeGreaterThan(20);
    expect(all.peak - few.peak).toBeLessThan(ALL_OF_THEM_MB / 2);

    // Killed while it runs, then run again.
    const first = startCli(['dead-letters', 'redrive', '--all'], { env: fleet.env });
    const ended = once(first, 'close');
    let said = '';
    first.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    await until('it is running', async () => {
      if (first.exitCode !== null) throw new Error(`it ended with ${first.exitCode}: ${said}`);
      return (await bench.queued()) > 1_000;
    });
    first.kill('SIGKILL');
    await ended;
    const rest = (await bench.ids()).length;
    expect(rest).toBeGreaterThan(0);
    expect(rest).toBeLessThan(LETTERS - 900);
    const second = await watched(fleet, ['redrive', '--all', '--json']);
    expect(second.code).toBe(0);
    const counts = JSON.parse(second.lines[0] ?? '') as { redriven: number; repeated: number };
    // Events that were already queued when it was killed are recognised; at most a window of them.
    expect(counts.redriven + counts.repeated).toBe(rest);
    expect(counts.repeated).toBeLessThanOrEqual(64);
    expect(await bench.queued()).toBe(LETTERS);
    expect(await bench.ids()).toEqual([]);
  },
);

test('a redrive ended by a signal says so, and continues where it was; each event takes effect once', async () => {
  await using bench = await createDeadLetterBench();
  const events = Array.from({ length: 60 }, (_, index) => memoryCreated(`note ${index}`));
  await parkAll(bench, events, async () => park('invalid_output', 'no'));
  const fixed = bench.start();
  const child = startCli(['dead-letters', 'redrive', '--all', '--rate', '20', '--json'], {
    env: bench.fleet.env,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = once(child, 'close');
  await until('it is running', async () => (await bench.ids()).length < 55);
  child.kill('SIGINT');
  expect((await ended)[0]).toBe(1);
  expect(stderr).toContain('interrupted. Run it again to continue with the rest.');
  const { redriven } = JSON.parse(stdout) as { redriven: number };
  expect(await bench.ids()).toHaveLength(60 - redriven);
  await bench.cli('redrive', '--all');
  await until('all took effect', async () => (await bench.derived()) === 60);
  await bench.settled();
  expect(fixed.calls.toSorted()).toEqual(events.map(({ id }) => id).toSorted());
});

test('a redrive keeps to its rate', async () => {
  await using bench = await createDeadLetterBench();
  const { fleet } = bench;
  const { jsm } = fleet.broker;
  await writeLetters(fleet, 60);
  await bench.cli('redrive', '--all', '--rate', '40', '--limit', '50');
  expect(await bench.queued()).toBe(50);
  const status = JSON.parse((await fleet.run(['status', '--json'])).stdout) as {
    workers: { worker: string; lagEvents: number; deadLetters: number }[];
  };
  // Redriven events that are not taken up yet are no dead letters any more, but still to be processed.
  expect(status.workers.find(({ worker }) => worker === NAME)).toMatchObject({
    lagEvents: 50,
    deadLetters: 10,
  });
  const at: number[] = [];
  const query = { seq: 1, batch: 100 };
  for await (const { time } of await jsm.direct.getBatch(redriveStreamName(fleet.config), query)) {
    at.push(time.getTime());
  }
  const [start = 0, end = 0] = [at[0], at.at(-1)];
  // 49 gaps of 25 ms; timers are late, or early by no more than their precision.
  expect(end - start).toBeGreaterThan(49 * 25 - 50);
  const left = await bench.stored();
  expect(left.map(({ logSequence }) => logSequence)).toEqual(
    Array.from({ length: 10 }, (_, index) => 51 + index),
  );
});

test('the worker process takes redriven events, and parks unreadable ones again', async () => {
  await using bench = await createDeadLetterBench();
  const { config, broker, env } = bench.fleet;
  await using worker = new WorkerProcess(EXTRACTION, { ...env });
  await worker.ready();
  const subject = publishSubject(config.log.root, 'acme', 'note', 'content', 'created');
  await broker.jetstream.publish(subject, 'no event');
  await until('it is parked', async () => (await bench.ids()).length === 1);
  const event = memoryCreated('Ada drinks tea.');
  await bench.publish(event);
  await until('the other took effect', async () => (await bench.derived()) === 1);
  await bench.cli('redrive', '1');
  await until('it is parked again', async () => (await bench.ids())[0] === 2);
  expect(await bench.letters()).toMatchObject([{ reason: 'invalid_event', redrives: 1 }]);
  worker.kill('SIGTERM');
  expect(await worker.ended()).toBe(0);
});
