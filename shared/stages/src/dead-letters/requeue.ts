import type { FleetConfig, JetStreamManager } from '@memfleet/runtime';
import { jetstream, JetStreamApiError } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { DEAD_LETTER_HEADERS } from './dead-letter.ts';
import { redriveStreamName, redriveSubject } from './redrive-queue.ts';
import type { StoredLetter } from './stored-letter.ts';

/**
 * Puts a letter's event into the queue of its stage. A letter is good for one try: its Msg-Id keeps a
 * second one out of the queue within the duplicate window, and the number of the redrive prevents a
 * second effect for ever (see reopen.ts). So after a crash between this and the removal of the letter,
 * simply run it again.
 * @returns false when it was already in the queue
 */
export async function requeueLetter(
  connection: NatsConnection,
  config: FleetConfig,
  letter: StoredLetter,
): Promise<boolean> {
  const header = headers();
  for (const [name, values] of letter.headers) {
    if (name.startsWith('Nats-')) continue;
    for (const value of values) header.append(name, value);
  }
  header.set(DEAD_LETTER_HEADERS.redrives, String(letter.redrives + 1));
  const js = jetstream(connection, { timeout: config.broker.requestTimeout });
  const { duplicate } = await js.publish(
    redriveSubject(config, letter.stage, letter),
    letter.data,
    {
      headers: header,
      msgID: letter.messageId,
      expect: { streamName: redriveStreamName(config) },
    },
  );
  return !duplicate;
}

/** The server's codes for a message that does not exist (server/errors.json). */
const NO_MESSAGE: ReadonlySet<number> = new Set([10037, 10043, 10057]);

/**
 * Removes a letter; `erase` overwrites its bytes on disk.
 * @returns false when it was gone already
 */
export async function removeLetter(
  jsm: JetStreamManager,
  { deadLetters }: FleetConfig,
  id: number,
  { erase }: { readonly erase: boolean },
): Promise<boolean> {
  try {
    return await jsm.streams.deleteMessage(deadLetters.stream, id, erase);
  } catch (error) {
    if (error instanceof JetStreamApiError && NO_MESSAGE.has(error.code)) return false;
    throw error;
  }
}
