import { createEvent } from '@memfleet/events';
import { describe, expect, it } from 'vitest';
import { generateConversations } from '../../../workers/cli/src/demo/conversations/generate.ts';

const { events, questions } = generateConversations(7);
const ofType = (type: string): number => events.filter((event) => event.type === type).length;

describe('generated conversations', () => {
  it('are the same every time, and different for another seed', () => {
    expect(generateConversations(7)).toEqual({ events, questions });
    expect(generateConversations(8).events).not.toEqual(events);
  });

  it('are valid events with ids of their own, in the order of their times', () => {
    const ids = new Set(events.map((event) => createEvent(event).id));
    expect(ids.size).toBe(events.length);
    const times = events.map(({ time }) => time ?? '');
    expect(times).toEqual(times.toSorted());
  });

  it('have a few hundred to two thousand memories, and every type an author may publish', () => {
    expect(ofType('memory.created')).toBeGreaterThan(500);
    expect(ofType('memory.created')).toBeLessThan(2_000);
    for (const type of ['revised', 'accessed', 'superseded', 'forgotten']) {
      expect(ofType(`memory.${type}`)).toBeGreaterThan(10);
    }
    expect(events.some(({ schemaVersion }) => schemaVersion === 1)).toBe(true);
  });

  it('create each memory before anything else happens to it', () => {
    const created = new Set<string>();
    const early = events.filter(({ tenant, memory, type, data }) => {
      const needed = type === 'memory.superseded' ? [memory, data['by']] : [memory];
      if (type === 'memory.created') return !created.add(`${tenant}/${memory}`);
      return !needed.every((name) => created.has(`${tenant}/${String(name)}`));
    });
    expect(early).toEqual([]);
    expect(created.size).toBe(ofType('memory.created'));
  });

  it('spread over several tenants, and leave no slot of a sentence open', () => {
    expect(new Set(events.map(({ tenant }) => tenant)).size).toBe(3);
    for (const { data } of events) expect(JSON.stringify(data)).not.toMatch(/[{]\w+[}]|undefined/);
  });

  it('hold an answer to each question, in a memory that still counts', () => {
    const gone = new Set(
      events
        .filter(({ type }) => type === 'memory.superseded' || type === 'memory.forgotten')
        .map(({ tenant, memory }) => `${tenant}/${memory}`),
    );
    expect(questions).toHaveLength(3);
    for (const { tenant, expected } of questions) {
      const answers = events.filter(
        (event) =>
          event.tenant === tenant &&
          JSON.stringify(event.data).includes(expected) &&
          !gone.has(`${tenant}/${event.memory}`),
      );
      expect(answers).not.toEqual([]);
    }
  });
});
