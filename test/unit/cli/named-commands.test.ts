import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_ERRORS } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { program } from '../../../workers/cli/src/program.ts';
import { REPOSITORY } from '../../support/consumer.ts';
import { blocksOf } from '../../support/page-blocks.ts';

/* The commands that pages, settings, hints and messages name exist, with their options. */

type Command = ReturnType<typeof program>;

const ROOT = program();
const NAMES = new Set(ROOT.commands.map((command) => command.name()));

const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...globSync(['docs/*.md', 'shared/*/README.md'], { cwd: REPOSITORY }),
  'config/fleet.yaml',
  'docker-compose.yml',
];
/** Help texts are no messages: they may name a command without its arguments. */
const SOURCES = globSync(['shared/*/src/**/*.ts', 'workers/*/src/**/*.ts', 'deploy/**/*.ts'], {
  cwd: REPOSITORY,
}).filter((path) => !path.startsWith('workers/cli/src/commands/'));

const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8');

/** A command on a line of a terminal, with all that follows it. */
const TYPED =
  /^(?:#\s*)?(?:\$ )?(?:\w+=\S+ )*(?:npx |npm run |docker compose run .*? )?(?:memfleet|cli)(?: --)? (?<words>.*)$/;
/** `memfleet status`, `npx memfleet status` or only `projection list`; in a template it is escaped. */
const INLINE = /\\?`(?:npx )?(?:memfleet )?(?<words>[^`\n]+?)\\?`/g;
const BLOCK = /^```.*?^```$/gms;

/** The commands on these lines, each up to a comment, a pipe or the next command. */
function typedIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [command = ''] = withoutTexts(line.trim()).split(/\s(?:#\s|&&|\||\\$)/);
    return TYPED.exec(command)?.groups?.['words'] ?? [];
  });
}

/** What is quoted may hold anything. */
function withoutTexts(line: string): string {
  return line.replaceAll(/"[^"]*"|'[^']*'/g, 'text');
}

function commandsIn(path: string): string[] {
  const text = read(path);
  const terminals = blocksOf(text).filter(({ language }) => ['sh', 'console'].includes(language));
  const lines = path.endsWith('.md') ? terminals.map((block) => block.text).join('\n') : text;
  const inline = [...text.replaceAll(BLOCK, '').matchAll(INLINE)]
    .map(({ groups }) => groups?.['words'] ?? '')
    .filter((words) => NAMES.has(words.split(' ')[0] ?? ''));
  return [...typedIn(lines.split('\n')), ...inline];
}

/** A name that stands for several is followed by all of them: `list|show`. */
interface Followed {
  readonly commands: readonly Command[];
  readonly problems: readonly string[];
  /** How many arguments are given. */
  readonly given: number;
}

function follow(line: string): Followed {
  let commands: readonly Command[] = [ROOT];
  let given = 0;
  const problems: string[] = [];
  // `list | show` as the changelog has it, or `list\|show` as a table does.
  const words = withoutTexts(line).replaceAll(/\s?\\?\|\s?/g, '|');
  for (const word of words.split(/\s+/).filter(Boolean)) {
    const bare = word.replaceAll(/^\[|\]$/g, '');
    if (bare.startsWith('--')) {
      const [flag = ''] = bare.split('=');
      if (!commands.every((command) => hasOption(command, flag))) problems.push(flag);
      continue;
    }
    if (commands.every((command) => command.commands.length === 0)) {
      given += 1;
      continue;
    }
    const next = bare.split('|').map((name) => {
      const found = commands.flatMap((command) =>
        command.commands.filter((one) => one.name() === name),
      );
      if (found.length === 0) problems.push(name);
      return found;
    });
    commands = next.flat();
  }
  return { commands, problems, given };
}

function hasOption(command: Command, flag: string): boolean {
  if (flag === '--help') return true;
  const own = command.options.some(({ long }) => long === flag);
  return own || (command.parent !== null && hasOption(command.parent, flag));
}

test.each(PAGES)('%s names commands and options that exist', (path) => {
  const wrong = commandsIn(path).flatMap((line) =>
    follow(line).problems.map((problem) => `${line}: ${problem}`),
  );
  expect(wrong).toEqual([]);
});

test('so do the examples of the help', () => {
  const lines = everyCommand(ROOT).flatMap((command) => typedIn(helpOf(command).split('\n')));
  expect(lines.length).toBeGreaterThan(60);
  expect(lines.filter((line) => follow(line).problems.length > 0)).toEqual([]);
});

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function helpOf(command: Command): string {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  return help;
}

test('a command that a hint or a message names is complete', () => {
  const inCode = SOURCES.flatMap((path) =>
    read(path)
      .split('\n')
      .filter((line) => !/^\s*(?:\*|\/\*|\/\/)/.test(line) && line.includes('`memfleet ')),
  );
  const named = [...Object.values(ALL_ERRORS), ...inCode].flatMap((text) =>
    [...text.matchAll(/\\?`memfleet (?<words>[a-z][^`]+?)\\?`/g)].map(
      ({ groups }) => groups?.['words'] ?? '',
    ),
  );
  expect(named.length).toBeGreaterThan(20);
  const wrong = named.filter((line) => {
    const { commands, problems, given } = follow(line);
    const needed = Math.max(
      ...commands.map(
        ({ registeredArguments }) => registeredArguments.filter(({ required }) => required).length,
      ),
    );
    return problems.length > 0 || given < needed;
  });
  expect(wrong).toEqual([]);
});

test('the table of README.md has every command', () => {
  const rows = read('README.md')
    .split('\n')
    .flatMap((line) => /^\| `(?<words>[a-z][^`]*)` \|/.exec(line)?.groups?.['words'] ?? []);
  const listed = new Set(rows.flatMap((row) => follow(row).commands));
  const all = ROOT.commands.flatMap((command) =>
    command.commands.length === 0 ? [command] : command.commands,
  );
  expect(all.filter((command) => !listed.has(command)).map((command) => command.name())).toEqual(
    [],
  );
});
