import { readLetters } from '@memfleet/stages';
import { openBroker } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note, printJson, printLine, readerGone } from '../output.ts';
import { grouped } from '../words.ts';
import { LETTER_HEADING, letterLine, letterRecord } from './record.ts';
import { filterOf, type SelectionFlags } from './selection.ts';

/** Prints dead letters as they are read, however many there are. */
export async function list(globals: Globals, flags: SelectionFlags): Promise<void> {
  await using broker = await openBroker(globals, 'dead-letters');
  const { config } = broker;
  const filter = filterOf(flags, config, new Date());
  let count = 0;
  for await (const letter of readLetters(broker, config, filter)) {
    if (readerGone.aborted) return;
    if (count === 0 && !globals.json) await printLine(LETTER_HEADING);
    count += 1;
    if (globals.json) await printJson(letterRecord(letter));
    else await printLine(letterLine(letter));
  }
  if (!globals.json) note(count === 0 ? 'no dead letters' : `${grouped(count)} dead letters`);
}
