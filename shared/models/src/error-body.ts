import type { ProviderErrorClass } from './provider-error.ts';

/** The information about an error in the body of a response. */
export interface ErrorBody {
  readonly form: 'empty' | 'error' | 'json' | 'other';
  /** `code` and `type` if they are plain words: for messages and logs. */
  readonly codes: readonly string[];
  /** A status in the body itself, from gateways that always answer 200. */
  readonly status?: number;
  /** The class that the service's own codes mean. */
  readonly byCode?: ProviderErrorClass;
  /**
   * The class that the words of the message mean. A message may quote the input, so what it says must not
   * decide about anybody else's.
   */
  readonly byText?: ProviderErrorClass;
  /** Whether the message blames the input, among other words. */
  readonly blamesInput: boolean;
}

const ABOUT_INPUT =
  /context[_ ](?:length|window|size)|maximum context|too many tokens|input[_ ]too[_ ](?:large|long)|prompt is too long|content[_ ](?:policy|filter)|moderation|flagged/;

/**
 * The meaning of codes and messages; the first match counts, since the status alone says too little.
 * Matched against lower-case text of bounded length.
 */
const MEANINGS: readonly (readonly [ProviderErrorClass, RegExp])[] = [
  [
    'quota',
    /insufficient[_ ](?:quota|funds|balance|credit)|quota[_ ]exceeded|budget[_ ]exceeded|exceeded your current quota|billing|payment[_ ]required|credit balance/,
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
  ['invalid_input', ABOUT_INPUT],
  ['rate_limited', /rate[_ ]?limit|too many requests|slow down/],
  ['transient', /overloaded|server[_ ]error|unavailable|timed? ?out/],
];

/**
 * Messages that say by themselves what others say by a code. The whole message must be the sentence: one
 * that quotes an input has other words too.
 */
const SENTENCES: readonly (readonly [ProviderErrorClass, RegExp])[] = [
  [
    'quota',
    /^your credit balance is too low to access the \w+ api\. please go to plans & billing to upgrade or purchase credits\.$/,
  ],
];

const LONGEST_READ = 2_000;
/** A longer text in the place of a code is a sentence. */
const LONGEST_CODE = 100;
const PLAIN_WORD = /^[\w.:-]{1,64}$/;

export function readErrorBody(text: string | undefined): ErrorBody {
  if (text === undefined || text.trim() === '') return without('empty');
  const value = parsed(text);
  if (value === undefined) return without('other');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return without('json');
  const outer = value as Record<string, unknown>;
  const inner = outer['error'] ?? outer['detail'];
  const error =
    typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : outer;
  // Some services answer `{"error": "<code>"}`.
  const word = typeof inner === 'string' && PLAIN_WORD.test(inner) ? inner : undefined;
  const said = [word, error['code'], error['type'], error['status'], ...reasonsOf(error)]
    .filter((item) => typeof item === 'string')
    .filter(({ length }) => length <= LONGEST_CODE);
  const message = read(typeof inner === 'string' && word === undefined ? inner : error['message']);
  const byText = meaningOf(message, MEANINGS);
  const byCode = meaningOf(read(said.join(' ')), MEANINGS) ?? meaningOf(message, SENTENCES);
  const status = [error['code'], error['status']].find(
    (item): item is number => typeof item === 'number' && item >= 400 && item <= 599,
  );
  return {
    // A good answer may also have `error: null`.
    form: inner == null ? 'json' : 'error',
    // Messages may quote the input or the key; codes are the service's own words.
    codes: [...new Set(said.filter((code) => PLAIN_WORD.test(code)))],
    ...(status === undefined ? {} : { status }),
    ...(byCode === undefined ? {} : { byCode }),
    ...(byText === undefined ? {} : { byText }),
    blamesInput: ABOUT_INPUT.test(message),
  };
}

function without(form: ErrorBody['form']): ErrorBody {
  return { form, codes: [], blamesInput: false };
}

/** The reasons in `details`, as Google's services give them. */
function reasonsOf({ details }: Record<string, unknown>): unknown[] {
  if (!Array.isArray(details)) return [];
  return details.map((item: unknown) =>
    typeof item === 'object' && item !== null && 'reason' in item ? item.reason : undefined,
  );
}

function read(text: unknown): string {
  return typeof text === 'string' ? text.slice(0, LONGEST_READ).toLowerCase() : '';
}

function meaningOf(words: string, meanings: typeof MEANINGS): ProviderErrorClass | undefined {
  return meanings.find(([, pattern]) => pattern.test(words))?.[0];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller only needs to know that it is not JSON.
    return undefined;
  }
}
