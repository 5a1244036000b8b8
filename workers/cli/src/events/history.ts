import { memoryFilter, TOKEN_PATTERN } from '@memfleet/events';
import { readStored, RuntimeError, streamInfo } from '@memfleet/runtime';
import { UsageError } from '../failure.ts';
import { openBroker } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine, readerGone } from '../output.ts';
import { printable } from '../words.ts';
import { type StoredEvent, storedEvent } from './stored-event.ts';

/** Prints a memory's events in the order of the log, as they are read. */
export async function history(globals: Globals, tenant: string, memory: string): Promise<void> {
  for (const [name, value] of Object.entries({ tenant, memory })) {
    // A wildcard would show other memories, even of other tenants.
    if (TOKEN_PATTERN.test(value)) continue;
    throw new UsageError(`the ${name} must be 1 to 64 letters, digits, "_" or "-"`);
  }
  await using broker = await openBroker(globals, 'events');
  const { config, connection, jsm } = broker;
  const { stream, root } = config.log;
  await streamInfo(jsm, stream);
  let count = 0;
  const subject = memoryFilter(root, tenant, memory);
  for await (const message of readStored(connection, stream, { from: 1, subject })) {
    if (readerGone.aborted) return;
    count += 1;
    const event = storedEvent(message, root);
    if (globals.json) await printJson(historyRecord(event));
    else await printLine(historyLine(event));
  }
  if (count > 0) return;
  throw new RuntimeError('NOT_FOUND', `the log has no event of memory ${memory} of ${tenant}`);
}

/** The envelope as stored, or the reason why there is none. */
function historyRecord({ decoded, ...stored }: StoredEvent): unknown {
  const { sequence, subject, storedAt, raw } = stored;
  return decoded.kind === 'invalid'
    ? { sequence, subject, storedAt, event: null, raw, problem: decoded.reason }
    : { sequence, subject, storedAt, event: JSON.parse(raw) as unknown };
}

function historyLine({ sequence, storedAt, decoded }: StoredEvent): string {
  const place = `${String(sequence).padStart(8)}  ${storedAt}`;
  if (decoded.kind === 'invalid') return `${place}  not an event: ${decoded.reason}`;
  const { type, id, source, schemaversion } = decoded.envelope;
  return `${place}  ${`${printable(type)} v${schemaversion}`.padEnd(22)}  ${id}  ${printable(source)}`;
}
