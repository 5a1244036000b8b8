import { createEvent, type Envelope } from '@memfleet/events';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, DEFAULT_LOG, prepare } from '../../../shared/events/src/append.ts';

function created(content = 'tea'): Envelope {
  const source = '/tests/prepare';
  return createEvent({
    tenant: 't',
    memory: 'm',
    type: 'memory.created',
    data: { content },
    source,
  });
}

describe('prepare', () => {
  it('holds the data to their limit, not the envelope around them', () => {
    const data = { content: 'x'.repeat(100) };
    const maxDataBytes = Buffer.byteLength(JSON.stringify(data));
    const fitting = { ...DEFAULT_LIMITS, maxDataBytes };
    expect(() => prepare(created(data.content), DEFAULT_LOG, fitting)).not.toThrow();
    const tooSmall = { ...DEFAULT_LIMITS, maxDataBytes: maxDataBytes - 1 };
    expect(() => prepare(created(data.content), DEFAULT_LOG, tooSmall)).toThrow(
      `data is ${maxDataBytes} bytes`,
    );
  });

  it('keeps the bytes exactly as in the log, and counts them as UTF-8', () => {
    const event = created('“ŧea” 茶');
    const { json, bytes } = prepare(event, DEFAULT_LOG, DEFAULT_LIMITS);
    expect(JSON.parse(json)).toEqual(event);
    expect(bytes).toBe(Buffer.from(json).byteLength);
  });

  it.each([
    ['half of a surrogate pair', '\ud800'],
    ['U+0000', '\u0000'],
  ])('refuses %s in a field that no schema names', (_, text) => {
    const event = { ...created(), data: { content: 'tea', extra: { deep: [text] } } };
    expect(() => prepare(event, DEFAULT_LOG, DEFAULT_LIMITS)).toThrow('U+0000 or half');
  });

  it.each([
    ['nothing', undefined],
    ['a function', () => 1],
    ['text', 'tea'],
  ])('refuses %s in place of an event, with a typed error', (_, value) => {
    expect(() => prepare(value, DEFAULT_LOG, DEFAULT_LIMITS)).toThrow(
      expect.objectContaining({ code: 'EVENT_INVALID' }),
    );
  });

  it('names the problem of a BigInt', () => {
    const event = { ...created(), data: { content: 'tea', extra: 1n } };
    expect(() => prepare(event, DEFAULT_LOG, DEFAULT_LIMITS)).toThrow('BigInt');
  });
});
