import {
  memoryFilter,
  parseStoredSubject,
  publishPattern,
  publishSubject,
  storedTemplate,
} from '@memfleet/events';
import { describe, expect, test } from 'vitest';

test('a publisher names tenant, memory, class and verb; the stream adds the partition', () => {
  expect(publishSubject('memory', 'acme', 'm-1', 'content', 'created')).toBe(
    'memory.acme.m-1.content.created',
  );
  expect(publishPattern('memory')).toBe('memory.*.*.*.*');
  expect(storedTemplate('memory', 8)).toBe(
    'memory.{{partition(8,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}.{{wildcard(4)}}',
  );
  expect(memoryFilter('memory', 'acme', 'm-1')).toBe('memory.*.acme.m-1.>');
});

test('a stored subject is read back into its parts', () => {
  expect(parseStoredSubject('memory', 'memory.7.acme.m-1.derived.extracted')).toEqual({
    partition: 7,
    tenant: 'acme',
    memory: 'm-1',
    eventClass: 'derived',
    verb: 'extracted',
  });
});

describe('a foreign subject is not read', () => {
  test.for([
    '',
    'memory',
    'memory.7.acme.m-1.content',
    'memory.7.acme.m-1.content.created.more',
    'memory.x.acme.m-1.content.created',
    'memory.-1.acme.m-1.content.created',
    'memory.123456.acme.m-1.content.created',
    'memory..acme.m-1.content.created',
    'memory.7.*.m-1.content.created',
    'memory.7.acme.>.content.created',
    'memory.7.acme..content.created',
    'memory.7.ac me.m-1.content.created',
    'memory.7.acme.m-1.toString.created',
    'memories.7.acme.m-1.content.created',
    'xmemory.7.acme.m-1.content.created',
  ])('%s', (subject) => {
    expect(parseStoredSubject('memory', subject)).toBeUndefined();
  });
});
