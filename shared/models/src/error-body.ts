import type { ProviderErrorClass } from './provider-error.ts';

/** The information about an error in the body of a response. */
export interface ErrorBody {
  readonly form: 'empty' | 'error' | 'json' | 'other';
  /** `code` and `type` if they are plain words: for messages and logs. */
  readonly codes: readonly string[];
  /** A status in the body itself, from gateways that always answer 200. */
  readonly status?: number;
  readonly errorClass?: ProviderErrorClass;
}

/**
 * The meaning of codes and messages; the first match counts, since the status alone says too little.
 * Matched against lower-case text of bounded length.
 */
const MEANINGS: readonly (readonly [ProviderErrorClass, RegExp])[] = [
  [
    'quota',
    /insufficient[_ ](?:quota|funds|balance|credit)|quota[_ ]exceeded|exceeded your current quota|billing|payment[_ ]required|credit balance/,
  ],
  [
    'auth',
    /invalid[_ ]api[_ ]key|api[_ ]key[_ ]invalid|api key not valid|incorrect api key|authentication|unauthorized|permission[_ ]denied|access[_ ]denied/,
  ],
  // The account may not use the model, or the model does not allow the settings: a person must act too.
  [
    'auth',
    /model[_ ]not[_ ]found|unsupported[_ ](?:parameter|value)|invalid[_ ]model|does not exist/,
  ],
  [
    'invalid_input',
    /context[_ ](?:length|window|size)|maximum context|too many tokens|input[_ ]too[_ ](?:large|long)|prompt is too long|content[_ ](?:policy|filter)|moderation|flagged/,
  ],
  ['rate_limited', /rate[_ ]?limit|too many requests|slow down/],
  ['transient', /overloaded|server[_ ]error|unavailable|timed? ?out/],
];

const LONGEST_READ = 2_000;

export function readErrorBody(text: string | undefined): ErrorBody {
  if (text === undefined || text.trim() === '') return { form: 'empty', codes: [] };
  const value = parsed(text);
  if (value === undefined) return { form: 'other', codes: [] };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { form: 'json', codes: [] };
  }
  const outer = value as Record<string, unknown>;
  const inner = outer['error'] ?? outer['detail'];
  const error =
    typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : outer;
  const said = [error['code'], error['type'], error['status']].filter(
    (item) => typeof item === 'string',
  );
  const message = typeof inner === 'string' ? inner : error['message'];
  const words = [...said, typeof message === 'string' ? message : '']
    .join(' ')
    .slice(0, LONGEST_READ)
    .toLowerCase();
  const meaning = MEANINGS.find(([, pattern]) => pattern.test(words));
  const status = [error['code'], error['status']].find(
    (item): item is number => typeof item === 'number' && item >= 400 && item <= 599,
  );
  return {
    // A good answer may also have `error: null`.
    form: inner == null ? 'json' : 'error',
    // Messages may quote the input or the key; codes are the service's own words.
    codes: [...new Set(said.filter((code) => /^[\w.:-]{1,64}$/.test(code)))],
    ...(status === undefined ? {} : { status }),
    ...(meaning === undefined ? {} : { errorClass: meaning[0] }),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller only needs to know that it is not JSON.
    return undefined;
  }
}
