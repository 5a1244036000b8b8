import { topologyOf } from '@memfleet/fleet';
import { type Run, timed } from './measure.ts';
import type { ThrowAwayFleet } from './throw-away-fleet.ts';

const DURABLE = 'raw';
const BATCH = 256;
/** Two, so that one loop works while the other waits for the server. */
const LOOPS = 2;

/**
 * The work of a stage with the raw client alone: fetch, publish one event of the given bytes for each,
 * ack. It has no table, no claim, no decoding, no validation of published events.
 */
export async function rawStage(
  { config, jsm }: ThrowAwayFleet,
  stage: 'extraction' | 'embedding',
  count: number,
  payload: Uint8Array,
): Promise<Run> {
  const { stream, root } = config.log;
  const durable = config.stages[stage].inputs['content']?.durable;
  const model = topologyOf(config).consumers.find(({ name }) => name === durable);
  if (model === undefined) throw new Error(`stage ${stage} has no input of content`);
  await jsm.consumers.add(stream, { ...model.config, durable_name: DURABLE, name: DURABLE });
  const client = jsm.jetstream();
  const consumer = await client.consumers.get(stream, DURABLE);
  let done = 0;
  const loop = async (): Promise<void> => {
    while (done < count) {
      const messages = await consumer.fetch({ max_messages: BATCH, expires: 1_000 });
      const publishing: Promise<unknown>[] = [];
      const acks: (() => void)[] = [];
      let last: (() => Promise<boolean>) | undefined;
      for await (const message of messages) {
        const subject = `${root}.bench.m-${message.seq}.derived.extracted`;
        publishing.push(client.publish(subject, payload, { msgID: `raw-${message.seq}` }));
        if (last !== undefined) acks.push(() => message.ack());
        else last = () => message.ackAck();
      }
      await Promise.all(publishing);
      for (const ack of acks) ack();
      await last?.();
      done += publishing.length;
    }
  };
  return await timed(count, async () => {
    await Promise.all(Array.from({ length: LOOPS }, loop));
  });
}
