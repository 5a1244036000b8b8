import { isUtf8 } from 'node:buffer';
import { type Decoded, registry } from '@memfleet/events';
import { streamInfo } from '@memfleet/runtime';
import { findLetter, originalBytes, type StoredLetter } from '@memfleet/stages';
import { openBroker } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';
import { printable } from '../words.ts';
import { letterRecord } from './record.ts';
import { noSuchLetter } from './selection.ts';

/** The event of a letter: its bytes, and how today's registry reads them. */
interface Content {
  /** The bytes as text; base64 when they are not UTF-8; null when the log no longer has them. */
  readonly raw: string | null;
  readonly rawEncoding: 'utf8' | 'base64';
  readonly decoded: Decoded;
}

/** Prints everything known about one dead letter. */
export async function show(globals: Globals, id: number): Promise<void> {
  await using broker = await openBroker(globals, 'dead-letters');
  const { jsm, config } = broker;
  await streamInfo(jsm, config.deadLetters.stream);
  const letter = await findLetter(jsm, config, id);
  if (letter === undefined) throw noSuchLetter([id]);
  const content = contentOf(letter, await originalBytes(jsm, config.log, letter), config.log.root);
  if (globals.json) await printJson(showRecord(letter, content));
  else await printLine(showText(letter, content));
}

function contentOf(letter: StoredLetter, bytes: Uint8Array | undefined, root: string): Content {
  if (bytes === undefined) {
    const reason = 'the bytes were too large to copy, and the log no longer has them';
    return { raw: null, rawEncoding: 'utf8', decoded: { kind: 'invalid', reason } };
  }
  const rawEncoding = isUtf8(bytes) ? 'utf8' : 'base64';
  return {
    raw: Buffer.from(bytes).toString(rawEncoding),
    rawEncoding,
    decoded: registry.decode(bytes, { root, subject: letter.logSubject ?? '' }),
  };
}

function showRecord(letter: StoredLetter, { decoded, ...content }: Content): unknown {
  const headers = Object.fromEntries(letter.headers);
  const record = { ...letterRecord(letter), headers, ...content };
  return decoded.kind === 'known'
    ? { ...record, event: decoded.event }
    : { ...record, event: null, problem: decoded.reason };
}

function showText(letter: StoredLetter, { raw, rawEncoding, decoded }: Content): string {
  const facts = Object.entries(letterRecord(letter))
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(13)}  ${printable(String(value))}`);
  const headers = [...letter.headers].flatMap(([name, values]) =>
    values.map((value) => `${name}: ${printable(value)}`),
  );
  const encoding = rawEncoding === 'utf8' ? '' : ' (base64)';
  const today =
    decoded.kind === 'known'
      ? ["as today's schema reads it:", JSON.stringify(decoded.event, undefined, 2)]
      : [`today's schema cannot read it: ${decoded.reason}`];
  const original = raw === null ? [] : [`original bytes${encoding}:`, raw, ''];
  return [...facts, '', 'headers:', ...headers, '', ...original, ...today].join('\n');
}
