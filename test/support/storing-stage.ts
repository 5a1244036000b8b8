import type { Envelope } from '@memfleet/events';
import type { Queryable } from '@memfleet/runtime';
import type { Stage } from '@memfleet/stages';
import { memoryCreated, nothingExtracted } from './events.ts';
import type { RunningStage, StageBench } from './stage.ts';
import { until } from './until.ts';

export const IDENTITY = { name: 'test', version: 1 };

export type Handle = Stage<string>['handle'];

/** A stage whose results carry something to store, and that counts its calls. */
export function storing(
  persist: (db: Queryable, extras: readonly string[]) => Promise<void>,
  handle?: Handle,
): Stage<string> & { readonly calls: string[] } {
  const calls: string[] = [];
  return {
    ...IDENTITY,
    calls,
    async handle(event, context) {
      const { content } = event.data as { content: string };
      calls.push(content);
      if (handle !== undefined) return await handle(event, context);
      const events = [nothingExtracted(event, context.sequence, IDENTITY)];
      return { kind: 'done', events, extra: content };
    },
    persist,
  };
}

export async function storesNothing(): Promise<void> {}

export function notes(number: number): Envelope[] {
  return Array.from({ length: number }, (_, index) =>
    memoryCreated(`note ${index}`, { memory: `m${index}`, tenant: `tenant-${index}` }),
  );
}

export function callsOf({ calls }: { readonly calls: readonly string[] }, content: string): number {
  return calls.filter((one) => one === content).length;
}

export async function pausedBecause({ progress }: RunningStage, cause: RegExp): Promise<void> {
  await until(`it is paused because ${String(cause)}`, () => {
    const { state, cause: said = '' } = progress.state;
    return state === 'paused' && cause.test(said);
  });
}

/** Messages that the broker has delivered, including redeliveries. */
export async function deliveries({ broker, config }: StageBench): Promise<number> {
  const info = await broker.jsm.consumers.info(config.log.stream, 'extraction');
  return info.delivered.consumer_seq;
}
