import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A model service in this process: it gives correct answers, after the given time. */
export interface ModelService extends AsyncDisposable {
  /** The value for a `baseUrl` setting. */
  readonly url: string;
  readonly calls: number;
  readonly inFlight: number;
}

export const DIMENSIONS = 8;

const ANSWER = JSON.stringify({
  facts: [
    {
      text: 'Ana lives in Porto.',
      subject: 'Ana',
      predicate: 'lives in',
      object: 'Porto',
      confidence: 0.9,
    },
  ],
  entities: [
    { name: 'Ana', type: 'person' },
    { name: 'Porto', type: 'place' },
  ],
});

export async function startModelService(latencyMs: number): Promise<ModelService> {
  let calls = 0;
  let inFlight = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    calls += 1;
    inFlight += 1;
    try {
      const [chunks] = await Promise.all([request.toArray(), delay(latencyMs)]);
      const body = Buffer.concat(chunks as Buffer[]).toString();
      response.setHeader('content-type', 'application/json');
      response.end(request.url === '/v1/embeddings' ? vectorsFor(body) : CHAT);
    } finally {
      inFlight -= 1;
    }
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    get calls() {
      return calls;
    },
    get inFlight() {
      return inFlight;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

const CHAT = JSON.stringify({
  id: 'bench',
  object: 'chat.completion',
  created: 0,
  model: 'bench',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: ANSWER } }],
  usage: { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 },
});

function vectorsFor(body: string): string {
  const { input } = JSON.parse(body) as { readonly input: readonly string[] };
  return JSON.stringify({
    object: 'list',
    model: 'bench',
    data: input.map((_, index) => ({
      object: 'embedding',
      index,
      embedding: Array.from({ length: DIMENSIONS }, (__, place) => (place + 1) / DIMENSIONS),
    })),
    usage: { prompt_tokens: 10, total_tokens: 10 },
  });
}
