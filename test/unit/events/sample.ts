import { type Decoded, registry } from '@memfleet/events';

/** A complete envelope as parsed JSON; each test changes one place. */
export function sample(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    specversion: '1.0',
    id: '019c1234-0000-7000-8000-000000000001',
    source: '/agents/support',
    type: 'memory.created',
    subject: 'm-1',
    time: '2026-01-31T12:00:00Z',
    datacontenttype: 'application/json',
    data: { content: 'Ada prefers tea to coffee.', kind: 'preference' },
    schemaversion: 2,
    tenantid: 'acme',
    correlationid: 'request-1',
    causationid: '019c1234-0000-7000-8000-000000000001',
    ...changes,
  };
}

export function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
}

/** The sample as JSON text, with one more member at the end of the object or of its data. */
export function textWith(member: string, where: 'envelope' | 'data' = 'envelope'): string {
  if (where === 'envelope') return JSON.stringify(sample()).replace(/\}$/, `,${member}}`);
  return JSON.stringify(sample()).replace('"preference"}', `"preference",${member}}`);
}

/** Why these bytes are refused. Fails the test when they are not. */
export function refusal(bytes: Uint8Array): string {
  const decoded = registry.decode(bytes);
  if (decoded.kind !== 'invalid') throw new Error(`decoded as ${decoded.kind}, not refused`);
  return decoded.reason;
}

/** Kind and reason of an unreadable event. */
export function unread(decoded: Decoded): string {
  if (decoded.kind === 'known') throw new Error('decoded as known');
  return `${decoded.kind}: ${decoded.reason}`;
}

export function known(decoded: Decoded): Extract<Decoded, { kind: 'known' }> {
  if (decoded.kind === 'known') return decoded;
  throw new Error(`decoded as ${decoded.kind}: ${decoded.reason}`);
}

/** The value after a trip through JSON. */
export function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}
