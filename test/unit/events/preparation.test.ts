import { createEvent } from '@memfleet/events';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, DEFAULT_LOG } from '../../../shared/events/src/append.ts';
import { Preparation } from '../../../shared/events/src/preparation.ts';

function created(content = 'tea') {
  const source = '/tests/preparation';
  return createEvent({
    tenant: 't',
    memory: 'm',
    type: 'memory.created',
    data: { content },
    source,
  });
}

describe('Preparation', () => {
  it('keeps what a check has made for the append that follows', () => {
    const preparation = new Preparation(DEFAULT_LOG, DEFAULT_LIMITS);
    const event = created();
    const checked = preparation.check(event);
    expect(preparation.of(event, undefined)).toBe(checked);
    expect(preparation.check(event)).toBe(checked);
    expect(preparation.of(created(), undefined)).not.toBe(checked);
  });

  it('makes an append that is decided on a version anew: its bytes say the version', () => {
    const preparation = new Preparation(DEFAULT_LOG, DEFAULT_LIMITS);
    const event = created();
    preparation.check(event);
    const payload = Buffer.from(preparation.of(event, 7).payload).toString();
    expect(JSON.parse(payload)).toMatchObject({ aggregateversion: 7 });
  });

  it('holds the data to their limit, not the envelope around them', () => {
    const data = { content: 'x'.repeat(100) };
    const maxDataBytes = Buffer.byteLength(JSON.stringify(data));
    const fitting = new Preparation(DEFAULT_LOG, { ...DEFAULT_LIMITS, maxDataBytes });
    expect(() => fitting.check(created(data.content))).not.toThrow();
    const tooSmall = { ...DEFAULT_LIMITS, maxDataBytes: maxDataBytes - 1 };
    expect(() => new Preparation(DEFAULT_LOG, tooSmall).check(created(data.content))).toThrow(
      `data is ${maxDataBytes} bytes`,
    );
  });
});
