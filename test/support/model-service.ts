import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** One request as the service received it. */
export interface ModelCall {
  readonly kind: 'chat' | 'embeddings';
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  /** `performance.now()` at receipt. */
  readonly at: number;
  /** True when the client hung up before it had an answer. */
  abandoned: boolean;
}

/** How the service reacts to a call. */
export type Reply =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly afterMs?: number;
      /** Closes the connection after half of the body. */
      readonly cut?: boolean;
    }
  /** Accepts the call and never answers. */
  | { readonly kind: 'hang' }
  /** Breaks the connection without a byte. */
  | { readonly kind: 'reset' };

/** `count` counts the calls so far, this one included. */
export type Responder = (call: ModelCall, count: number) => Reply | Promise<Reply>;

export interface ModelService extends AsyncDisposable {
  /** The value for a `baseUrl` setting: ends in /v1. */
  readonly url: string;
  readonly calls: ModelCall[];
  /** From now on every call gets this reply; without an argument, the correct answer as at first. */
  respond(how?: Responder | Reply): void;
}

/**
 * A model service on this machine that uses OpenAI's format and fails as programmed:
 * `service.respond(replies.status(503))`, or with a function of the call. By default it answers correctly:
 * /chat/completions with one fact, /embeddings with vectors that depend on the text.
 */
export async function startModelService(): Promise<ModelService> {
  const calls: ModelCall[] = [];
  let respond: Responder = replies.right;
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = await bodyOf(request);
    const path = request.url ?? '';
    if (request.method !== 'POST' || !/^\/v1\/(?:chat\/completions|embeddings)$/.test(path)) {
      await write(response, replies.error(404, 'not_found', `no ${request.method} ${path} here`));
      return;
    }
    const call: ModelCall = {
      kind: path.endsWith('/embeddings') ? 'embeddings' : 'chat',
      path,
      headers: request.headers,
      body: JSON.parse(text) as Record<string, unknown>,
      at: performance.now(),
      abandoned: false,
    };
    response.on('close', () => {
      call.abandoned = !response.writableFinished;
    });
    calls.push(call);
    await write(response, await respond(call, calls.length));
  };
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    calls,
    respond(how = replies.right) {
      respond = typeof how === 'function' ? how : () => how;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

/** Answers and faults to choose from. */
export const replies = {
  /** Answers of a healthy service. */
  right: (call: ModelCall): Reply =>
    call.kind === 'chat'
      ? replies.chat({ facts: [ONE_FACT], entities: [ONE_ENTITY] })
      : replies.vectors(call),

  /** A chat completion whose message is `content`, as JSON unless it is a string. */
  chat(
    content: unknown,
    usage: { readonly input: number; readonly output: number } = { input: 120, output: 40 },
  ): Reply {
    return json(200, {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: 'test-model',
      choices: [
        {
          index: 0,
          finish_reason: 'stop',
          message: {
            role: 'assistant',
            content: typeof content === 'string' ? content : JSON.stringify(content),
          },
        },
      ],
      usage: {
        prompt_tokens: usage.input,
        completion_tokens: usage.output,
        total_tokens: usage.input + usage.output,
      },
    });
  },

  /** Vectors of the requested length (default 8) that depend on the text; or wrong ones. */
  vectors(call: ModelCall, fault?: VectorFault): Reply {
    const { input, dimensions } = call.body;
    const texts = Array.isArray(input) ? input.map(String) : [String(input)];
    const length = typeof dimensions === 'number' ? dimensions : 8;
    const data = texts.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: vectorOf(text, fault === 'length' ? length + 1 : length),
    }));
    if (fault === 'count') data.pop();
    // The indexes are right, but not the order: a reader must use the indexes.
    if (fault === 'order') data.reverse();
    if (fault === 'zeros') data[0]?.embedding.fill(0);
    const body = JSON.stringify({
      object: 'list',
      model: 'test-model',
      data,
      usage: { prompt_tokens: texts.length * 5, total_tokens: texts.length * 5 },
    });
    return {
      kind: 'answer',
      status: 200,
      body: fault === 'nan' ? body.replace(/\[-?[\d.e-]+,/, '[NaN,') : body,
    };
  },

  /** An error in OpenAI's form. */
  error(status: number, code: string, message = code, headers: Record<string, string> = {}): Reply {
    return json(status, { error: { message, type: code, param: null, code } }, headers);
  },
  status: (status: number): Reply => replies.error(status, 'server_error', `status ${status}`),
  rateLimited: (headers: Record<string, string> = {}): Reply =>
    replies.error(429, 'rate_limit_exceeded', 'slow down', headers),
  unauthorized: (): Reply => replies.error(401, 'invalid_api_key', 'no such key'),
  paymentRequired: (): Reply => replies.error(402, 'billing', 'pay first'),
  quotaExceeded: (): Reply => replies.error(429, 'insufficient_quota', 'the quota is used up'),
  contextTooLong: (): Reply => replies.error(400, 'context_length_exceeded', 'too long'),
  /** The answer of a proxy in front of the service. */
  html: (status: number): Reply => ({
    kind: 'answer',
    status,
    body: '<!doctype html><html><body><h1>Bad gateway</h1></body></html>',
    headers: { 'content-type': 'text/html' },
  }),
  /** A 200 whose body is an error. */
  errorBody: (code = 'server_error'): Reply =>
    json(200, { error: { message: 'something broke', type: code, code } }),
  /** A complete response whose body is half a JSON text. */
  truncated(reply: Reply = replies.chat({ facts: [], entities: [] })): Reply {
    return reply.kind === 'answer'
      ? { ...reply, body: reply.body.slice(0, Math.floor(reply.body.length / 2)) }
      : reply;
  },
  /** The connection breaks in the middle of the body. */
  cut: (reply: Reply = replies.chat({ facts: [], entities: [] })): Reply =>
    reply.kind === 'answer' ? { ...reply, cut: true } : reply,
  slow: (afterMs: number, reply: Reply): Reply =>
    reply.kind === 'answer' ? { ...reply, afterMs } : reply,
  hang: (): Reply => ({ kind: 'hang' }),
  reset: (): Reply => ({ kind: 'reset' }),
} as const;

export type VectorFault = 'count' | 'order' | 'length' | 'nan' | 'zeros';

export const ONE_FACT = {
  text: 'Ada prefers tea.',
  subject: 'Ada',
  predicate: 'prefers',
  object: 'tea',
  confidence: 0.9,
} as const;
export const ONE_ENTITY = { name: 'Ada', type: 'person', mentions: 1 } as const;

/** A vector of length 1 that depends only on the text. */
export function vectorOf(text: string, length: number): number[] {
  let state = 2_166_136_261;
  for (const character of text) {
    state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 16_777_619);
  }
  const values = Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), 2_246_822_507) + 0x9e3779b9;
    return ((state >>> 0) / 2 ** 32) * 2 - 1;
  });
  const norm = Math.hypot(...values);
  return values.map((value) => value / norm);
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return { kind: 'answer', status, body: JSON.stringify(body), headers };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function write(response: ServerResponse, reply: Reply): Promise<void> {
  if (reply.kind === 'hang') return;
  if (reply.kind === 'reset') {
    response.socket?.resetAndDestroy();
    return;
  }
  if (reply.afterMs !== undefined) await delay(reply.afterMs);
  const body = Buffer.from(reply.body);
  response.writeHead(reply.status, {
    'content-type': 'application/json',
    'content-length': body.length,
    ...reply.headers,
  });
  if (reply.cut === true) {
    response.write(body.subarray(0, body.length / 2));
    await delay(10);
    response.socket?.resetAndDestroy();
    return;
  }
  response.end(body);
}
