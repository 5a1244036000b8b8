import { PARK_REASONS } from '@memfleet/stages';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { program, run } from '../../../workers/cli/src/program.ts';

let told = '';
beforeEach(() => {
  told = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    told += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const runArgs = (args: readonly string[]): Promise<number> => run(['node', 'memfleet', ...args]);

type Command = ReturnType<typeof program>;

/** Every command with the names that lead to it. */
function commandsOf(command: Command, names: readonly string[] = []): [string, Command][] {
  return [
    [names.join(' '), command],
    ...command.commands.flatMap((child) => commandsOf(child, [...names, child.name()])),
  ];
}

test.each(commandsOf(program()))('the help of memfleet %s has an example', (names, command) => {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  expect(help).toMatch(/--json/);
  expect(help).toMatch(/\nExamples?:\n {2}\$ .*/);
  expect(help).toContain(`memfleet ${names}`.trimEnd());
  const widest = Math.max(...help.split('\n').map((line) => line.length));
  expect(widest).toBeLessThanOrEqual(110);
});

test('the help of dead-letters names every reason that its filter takes', () => {
  const [, list] = commandsOf(program()).find(([names]) => names === 'dead-letters list') ?? [];
  for (const reason of PARK_REASONS) expect(list?.helpInformation()).toContain(reason);
});

test('the commands are those of the contract', () => {
  expect(commandsOf(program()).map(([names]) => names)).toEqual(
    expect.arrayContaining([
      'demo',
      'up',
      'provision',
      'worker',
      'publish',
      'status',
      'stage pause',
      'stage resume',
      'events history',
      'events show',
      'events tree',
      'recall',
      'health',
      'bench publish',
    ]),
  );
});

test.each([
  [['stauts'], "unknown command 'stauts', did you mean status?"],
  [['status', '--wach'], "unknown option '--wach', did you mean --watch?"],
  [['--jsn', 'status'], "unknown option '--jsn', did you mean --json?"],
  [['events', 'histroy'], "unknown command 'histroy', did you mean history?"],
  [['recall', 'acme'], "missing required argument 'query'."],
  [['recall', 'acme', 'tea', '--limit', 'many'], 'It must be a whole number from 1 to 1000.'],
  [['recall', 'acme', 'tea', '--limit', '0'], 'It must be a whole number from 1 to 1000.'],
  [['worker', 'extraktion'], 'unknown worker extraktion, did you mean extraction?'],
  [['provision', 'now'], 'too many arguments'],
  [['publish'], "missing required argument 'file'."],
  [['bench', 'extraction', '--latency', '9', '--rounds', '2'], '--rounds does not apply with'],
  [['bench', 'embedding', '--latency', '9', '--events', '2000'], '--events does not apply with'],
  [['bench', 'embedding', '--concurrency', '8'], '--concurrency needs --latency'],
])('%j is wrong usage: exit code 2', async (args, sentence) => {
  expect(await runArgs(args)).toBe(2);
  expect(told).toContain(sentence);
  expect(told).toMatch(/^memfleet: [^\n]* See --help\.\n$/);
});

test('without a command the help is shown, as wrong usage', async () => {
  expect(await runArgs([])).toBe(2);
  expect(told).toContain('Usage: memfleet <command> [options]');
  told = '';
  expect(await runArgs(['events'])).toBe(2);
  expect(told).toContain('Usage: memfleet events');
});
