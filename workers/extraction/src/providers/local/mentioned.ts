import { Tag } from './lexicon.ts';
import type { Name } from './name.ts';
import { phrase, type Reading } from './phrase.ts';
import type { Token } from './tokens.ts';
import { Role } from './words.ts';

/** The last mentioned people and things, for "she", "he" and "it". */
export interface Mentioned {
  female?: string | undefined;
  male?: string | undefined;
  thing?: string | undefined;
}

export type Gender = 'female' | 'male';

export function genderOf(token: Token | undefined): Gender | undefined {
  const tags = token?.tags ?? 0;
  const role = token?.role ?? 0;
  if ((tags & Tag.female) !== 0 || (role & Role.female) !== 0) return 'female';
  if ((tags & Tag.male) !== 0 || (role & Role.male) !== 0) return 'male';
  return undefined;
}

interface Spoken {
  readonly text: string;
  readonly isNamed: boolean;
  readonly isPerson: boolean;
  readonly gender?: Gender | undefined;
}

/** Remembers a mentioned subject. */
export function mention(mentioned: Mentioned, subject: Spoken): void {
  if (subject.gender !== undefined) mentioned[subject.gender] = subject.text;
  else if (subject.isPerson) {
    // The gender is unknown, so either pronoun may mean this one.
    mentioned.female = subject.text;
    mentioned.male = subject.text;
  } else if (!subject.isNamed || subject.text.includes("'s ")) {
    mentioned.thing = subject.text;
  }
}

/** The next "she" or "he" may mean a person named anywhere in the sentence, if only one fits. */
export function mentionNamed(
  reading: Reading,
  tokens: readonly Token[],
  names: readonly Name[],
  mentioned: Mentioned,
): void {
  for (const gender of ['female', 'male'] as const) {
    const named = names.filter(
      ({ from, type }) => type === 'person' && genderOf(tokens[from]) === gender,
    );
    const [only] = named;
    if (only !== undefined && named.length === 1) {
      mentioned[gender] = phrase(reading, tokens, only.from, only.to);
    }
  }
}
