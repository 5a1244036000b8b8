import { createEmbedder, recall } from '@memfleet/recall';
import type { Fleet } from '../fleet.ts';
import type { Question } from './conversations/generate.ts';

export interface Answered {
  readonly tenant: string;
  readonly question: string;
  readonly answers: readonly {
    readonly memory: string;
    readonly content: string;
    readonly score: number;
  }[];
}

const ANSWERS = 2;

/** Asks the read models, as `memfleet recall` does. */
export async function askAll(
  { pool, config }: Fleet,
  questions: readonly Question[],
): Promise<Answered[]> {
  const embedder = createEmbedder(config.stages.embedding.provider);
  return await Promise.all(
    questions.map(async ({ tenant, question }) => {
      const { hits } = await recall(pool, { tenant, query: question, embedder, limit: ANSWERS });
      const answers = hits.map(({ memory, content, score }) => ({ memory, content, score }));
      return { tenant, question, answers };
    }),
  );
}
