import type { StoredLetter } from '@memfleet/stages';
import { headers } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { storedLetter } from '../../../shared/stages/src/dead-letters/stored-letter.ts';
import { letterLine, letterRecord } from '../../../workers/cli/src/dead-letters/record.ts';
import { testSettings } from '../../support/settings.ts';

const config = testSettings();

function letter(values: Readonly<Record<string, string>>): StoredLetter {
  const header = headers();
  for (const [name, value] of Object.entries(values)) header.set(name, value);
  return storedLetter(config, {
    subject: `${config.deadLetters.root}.extraction.acme.m-1`,
    seq: 7,
    header,
    data: new Uint8Array(3),
    time: new Date('2026-01-31T12:00:00Z'),
  } as Parameters<typeof storedLetter>[1]);
}

test('a letter without headers has all the keys', () => {
  expect(letterRecord(letter({}))).toEqual({
    id: 7,
    stage: 'extraction',
    stageVersion: null,
    tenant: 'acme',
    memory: 'm-1',
    eventId: null,
    correlationId: null,
    reason: '',
    message: '',
    attempts: 0,
    redrives: 0,
    logSequence: null,
    logSubject: null,
    parkedAt: '2026-01-31T12:00:00.000Z',
    bytes: 3,
  });
});

test.each(['-1', '1.5', '1e3', 'NaN', '', '9'.repeat(20)])('%j is no position', (text) => {
  expect(letter({ 'Memfleet-Sequence': text }).logSequence).toBeUndefined();
});

test('foreign text cannot steer the terminal', () => {
  const line = letterLine(
    letter({ 'Memfleet-Message': 'red \u001B[31m and \u202E back', 'Memfleet-Reason': 'a\u0007b' }),
  );
  expect(line).toMatch(
    /^ {7}7 {2}2026-\S+Z {2}extraction {2}a b +0 {2}acme\/m-1 +red \[31m and back$/,
  );
});
