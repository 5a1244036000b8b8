import { Tag } from './lexicon.ts';
import type { Subject } from './subjects.ts';
import type { Token } from './tokens.ts';
import type { VerbGroup } from './verbs.ts';
import { Role } from './words.ts';

const set = (list: string): ReadonlySet<string> => new Set(list.trim().split(/\s+/));

/** Moods and manners: true for a minute, worth nothing after it. */
const PASSING = set(
  `good fine ok okay sorry sure glad happy excited here back done ready kidding joking welcome curious
  tired hungry great well bored busy thankful grateful impressed jealous lol alright late early right
  wrong true afraid awake asleep lost stuck confused fun nice cool awesome amazing interesting funny
  sad surprised pleased delighted thrilled honored honoured stoked pumped bummed so very not too
  really quite pretty super just all`,
);
/** Verbs of talking rather than of the speaker's life. */
const TALK = set(
  `mean see understand agree appreciate wonder thank promise apologize apologise beg recommend suggest
  congratulate mind care let get guess doubt bet say tell ask hear know think suppose hope admit swear
  said told asked thought forgot forget remember look sound seem go going come came got gotta
  saw laughed wondered realized noticed happen happened feel try tried imagine expect`,
);
const OFTEN_TALK = set('have take give make do need want like love'.trim());
const WEAK_OBJECTS = set(
  `fun time idea chance look question problem clue doubt thing things lot something anything nothing
  everything way point bit everyone everybody someone stuff feeling guess`,
);

/** Whether a clause is not worth keeping. */
export function isSmallTalk(
  subject: Subject,
  verb: VerbGroup,
  tokens: readonly Token[],
  clauseEnd: number,
): boolean {
  if (/\bweather\b/.test(subject.text)) return true;
  const { end } = verb;
  const length = clauseEnd - end;
  const first = tokens[end];
  if (verb.copula) {
    if (length <= 0) return true;
    const isState = subject.agreement === 'first' || subject.agreement === 'plural';
    return isState
      ? isPassing(tokens, end, clauseEnd)
      : length === 1 && PASSING.has(first?.low ?? '');
  }
  if (verb.first === 'be' && verb.words.length === 1) return length <= 0;
  if (TALK.has(verb.main) && !isTravel(verb, first) && !isChange(verb, first)) return true;
  if (length <= 0) {
    return (
      subject.agreement !== 'first' ||
      (verb.words.includes('to') && verb.first !== 'used') ||
      isHelper(verb.main)
    );
  }
  if (/^(?:doing|feeling)$/.test(verb.main)) return isPassing(tokens, end, clauseEnd);
  // "I love it", "I have one": the object is missing.
  const isEmpty =
    length === 1 &&
    first !== undefined &&
    (first.role & (Role.empty | Role.adverb | Role.particle)) !== 0;
  if (isEmpty) return true;
  if (verb.main === 'have' || OFTEN_TALK.has(verb.main)) {
    const head = tokens[clauseEnd - 1];
    const isWeak = head !== undefined && WEAK_OBJECTS.has(head.low);
    return isWeak && length <= 4;
  }
  return false;
}

/** "went to Rome", "came from Spain" are kept; "went well", "came along" are not. */
function isTravel(verb: VerbGroup, next: Token | undefined): boolean {
  return (
    next !== undefined &&
    /^(?:go|goes|going|went|come|comes|came)$/.test(verb.main) &&
    /^(?:to|from|on|for|back)$/.test(next.low)
  );
}

/** "got married", "got promoted": a lasting change. */
function isChange(verb: VerbGroup, next: Token | undefined): boolean {
  return (
    verb.main === 'got' &&
    next !== undefined &&
    /^(?:married|engaged|divorced|promoted|hired|fired|accepted|diagnosed)$/.test(next.low)
  );
}

function isHelper(main: string): boolean {
  return /^(?:have|do|be|can|will)$/.test(main);
}

/** "I'm so happy for …", "I am very sorry": only feelings, for anybody. */
function isPassing(tokens: readonly Token[], from: number, to: number): boolean {
  const first = tokens[from];
  if (first === undefined) return true;
  for (let at = from; at < Math.min(to, from + 4); at += 1) {
    const token = tokens[at];
    if (token === undefined) return true;
    if (!PASSING.has(token.low) && token.low !== 'and') {
      const isFeeling =
        at > from &&
        token.low !== 'into' &&
        (token.role & (Role.preposition | Role.subordinate)) !== 0;
      return isFeeling
        ? !(token.low === 'of' && first.low === 'afraid')
        : at > from &&
            PASSING.has(tokens[at - 1]?.low ?? '') &&
            (token.tags & Tag.adjective) === 0 &&
            token.low === 'to';
    }
  }
  return true;
}
