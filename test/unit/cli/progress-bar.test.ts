import { expect, test } from 'vitest';
import { ProgressBar } from '../../../workers/cli/src/progress-bar.ts';

function barOn(isTTY: boolean, total: number | undefined) {
  let now = 0;
  let written = '';
  const bar = new ProgressBar({
    label: 'publishing',
    total,
    stream: { isTTY, write: (text) => (written += text) },
    clock: () => now,
  });
  return {
    bar,
    wait: (ms: number) => (now += ms),
    take: () => {
      const text = written;
      written = '';
      return text;
    },
  };
}

test('on a terminal the bar is redrawn in place, not more often than ten times a second', () => {
  const { bar, wait, take } = barOn(true, 200);
  bar.update(50, '7 events');
  expect(take()).toBe(`\r\u001B[Kpublishing ${'█'.repeat(6)}${'░'.repeat(18)}  25 % 7 events`);
  bar.update(60);
  expect(take()).toBe('');
  wait(100);
  bar.update(400);
  expect(take()).toBe(`\r\u001B[Kpublishing ${'█'.repeat(24)} 100 %`);
  bar.note('line 3: bad');
  expect(take()).toBe(`\r\u001B[Kline 3: bad\npublishing ${'█'.repeat(24)} 100 %`);
  bar.end();
  expect(take()).toBe('\r\u001B[K');
  bar.end();
  expect(take()).toBe('');
});

test('elsewhere it is a plain line every five seconds, and nothing for quick work', () => {
  const { bar, wait, take } = barOn(false, 200);
  bar.update(50);
  bar.end();
  expect(take()).toBe('');
  wait(5_000);
  bar.update(100, '9 events');
  bar.note('line 3: bad');
  expect(take()).toBe('publishing: 50 %, 9 events\nline 3: bad\n');
});

test('without a known end only the detail is shown', () => {
  const terminal = barOn(true, undefined);
  terminal.bar.update(1_000, '12 events');
  expect(terminal.take()).toBe('\r\u001B[Kpublishing 12 events');
  const file = barOn(false, undefined);
  file.wait(5_000);
  file.bar.update(1_000, '12 events');
  expect(file.take()).toBe('publishing: 12 events\n');
});

test('for a machine only notes are shown without a terminal', () => {
  let written = '';
  const bar = new ProgressBar({
    label: 'publishing',
    total: 10,
    plainLines: false,
    stream: { write: (text) => (written += text) },
    clock: () => 3_600_000,
  });
  bar.update(5);
  bar.note('line 3: bad');
  expect(written).toBe('line 3: bad\n');
});
