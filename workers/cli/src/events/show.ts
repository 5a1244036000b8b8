import { streamInfo } from '@memfleet/runtime';
import { openProvisionedFleet } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';
import { findEvents } from './find.ts';
import type { StoredEvent } from './stored-event.ts';

export async function show(
  globals: Globals,
  id: string,
  tenant: string | undefined,
): Promise<void> {
  await using fleet = await openProvisionedFleet(globals, 'events');
  const { config, connection, jsm, pool } = fleet;
  await streamInfo(jsm, config.log.stream);
  const events = await findEvents({ db: pool, connection, jsm, log: config.log }, { id, tenant });
  for (const event of events) {
    if (globals.json) await printJson(showRecord(event));
    else await printLine(showText(event));
  }
}

function showRecord({ decoded, ...stored }: StoredEvent): unknown {
  return decoded.kind === 'known'
    ? { ...stored, event: decoded.event }
    : { ...stored, event: null, problem: decoded.reason };
}

function showText({ decoded, ...stored }: StoredEvent): string {
  const facts = [
    `sequence  ${stored.sequence}`,
    `subject   ${stored.subject}`,
    `stored    ${stored.storedAt}`,
    `key       ${stored.key}`,
  ];
  const encoding = stored.rawEncoding === 'utf8' ? '' : ' (base64)';
  const today =
    decoded.kind === 'known'
      ? ["as today's schema reads it:", JSON.stringify(decoded.event, undefined, 2)]
      : [`today's schema cannot read it: ${decoded.reason}`];
  return [...facts, '', `as stored${encoding}:`, stored.raw, '', ...today].join('\n');
}
