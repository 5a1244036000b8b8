import { Tag } from './lexicon.ts';
import type { Token } from './tokens.ts';
import type { Agreement } from './verb-forms.ts';
import { Role } from './words.ts';

/** "The engineers use", "my parents live": the verb shows that there are several. */
export function agreementAt(tokens: readonly Token[], end: number): Agreement {
  return isBareAfterPlural(tokens, end) || isPlural(tokens[end - 1]) ? 'plural' : 'third';
}

export function isBareAfterPlural(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at];
  return token !== undefined && (token.tags & Tag.infinitive) !== 0 && isPlural(tokens[at - 1]);
}

function isPlural(token: Token | undefined): boolean {
  if (token === undefined) return false;
  const isMany = token.low.endsWith('s') && !token.low.endsWith('ss');
  return (
    (token.tags & Tag.plural) !== 0 ||
    token.low === 'children' ||
    (isMany && (token.role & Role.relation) !== 0)
  );
}
