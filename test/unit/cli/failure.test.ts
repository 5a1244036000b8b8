import { RuntimeError } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { CommandError, describeFailure, UsageError } from '../../../workers/cli/src/failure.ts';

test('our own error is one sentence that says what to do', () => {
  expect(describeFailure(new RuntimeError('STREAM_MISSING', 'stream X does not exist'))).toEqual({
    text: 'memfleet: stream X does not exist. Run `memfleet provision` first.\n',
    exitCode: 1,
  });
  expect(describeFailure(new CommandError('interrupted', 'Run it again.'))).toEqual({
    text: 'memfleet: interrupted. Run it again.\n',
    exitCode: 1,
  });
});

test('wrong usage and wrong configuration are exit code 2', () => {
  expect(describeFailure(new UsageError('no such file'))).toEqual({
    text: 'memfleet: no such file. See --help.\n',
    exitCode: 2,
  });
  const config = new RuntimeError('CONFIG_INVALID', 'two problems:\n  - a\n  - b');
  expect(describeFailure(config)).toEqual({
    text: 'memfleet: two problems:\n  - a\n  - b\nFix the listed settings; config/fleet.yaml explains each one.\n',
    exitCode: 2,
  });
});

test('a database without read models says what to run', () => {
  const missing = Object.assign(new Error('relation "memory.memories" does not exist'), {
    code: '42P01',
    hint: undefined,
  });
  expect(describeFailure(missing).text).toContain('Run `memfleet provision`.');
});

test('read models of another version say how to make new ones', () => {
  const column = new Error('column memories.content_sequence does not exist');
  const { text } = describeFailure(Object.assign(column, { code: '42703' }));
  expect(text).toMatch(/of another version: column .*rebuild and promote/);
});

test('only a defect shows its stack', () => {
  expect(describeFailure(new Error('connection reset')).text).toBe('memfleet: connection reset\n');
  expect(describeFailure(new TypeError('x is not a function')).text).toContain('at ');
  expect(describeFailure('thrown text')).toEqual({ text: 'memfleet: thrown text\n', exitCode: 1 });
});
