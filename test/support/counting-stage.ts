import type { Stage } from '@memfleet/stages';
import { nothingExtracted } from './events.ts';
import { IDENTITY } from './storing-stage.ts';

/** A stage that counts its calls. */
export function counting(handle?: Stage['handle']): Stage & { readonly calls: string[] } {
  const calls: string[] = [];
  return {
    ...IDENTITY,
    calls,
    async handle(event, context) {
      calls.push(event.id);
      if (handle !== undefined) return await handle(event, context);
      return { kind: 'done', events: [nothingExtracted(event, context.sequence, IDENTITY)] };
    },
  };
}
