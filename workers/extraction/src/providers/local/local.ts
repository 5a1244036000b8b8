import { type ExtractedFact, MAX_FACTS } from '@memfleet/events';
import type { ExtractionInput, ExtractionOutput, LocalExtractor } from '../../extractor.ts';
import { cleanText } from '../../text.ts';
import { readSentence } from './clauses.ts';
import { EntityCount } from './entities.ts';
import { Tag } from './lexicon.ts';
import type { Mentioned } from './mentioned.ts';
import { findNames } from './names.ts';
import type { Reading } from './phrase.ts';
import { prepare } from './prepare.ts';
import type { Found } from './statement.ts';
import { type Sentence, tokenize } from './tokens.ts';

const VERSION = '1';
const FREE = { calls: 0, input_tokens: 0, output_tokens: 0 } as const;

/**
 * Extraction by rules for English prose: no network, no cost, the same result every time. It reads plain
 * statements and skips what it does not understand; other languages give entities at most.
 */
export function createLocalExtractor(): LocalExtractor {
  return {
    name: 'local',
    version: VERSION,
    remote: false,
    extract: extractLocally,
  };
}

export function extractLocally(input: ExtractionInput): ExtractionOutput {
  const { text, unreadable } = prepare(input.content);
  if (unreadable !== undefined) return nothing(unreadable);
  const reading: Reading = { text, speaker: speakerOf(input) };
  const sentences = tokenize(text);
  const entities = new EntityCount(text);
  const facts = new Map<string, ExtractedFact>();
  const mentioned: Mentioned = {};
  for (const sentence of sentences) {
    const names = findNames(sentence);
    const speaker = namedSpeaker(text, sentence);
    const said = speaker === undefined ? reading : { text, speaker };
    const found = readSentence(said, sentence, names, mentioned);
    entities.add(sentence, names, found);
    for (const { fact } of found) keep(facts, fact);
  }
  const result = { facts: [...facts.values()], entities: entities.list(), usage: FREE, costUsd: 0 };
  const isEmpty = result.facts.length + result.entities.length === 0;
  return isEmpty ? { ...result, emptyReason: reasonOf(sentences.length) } : result;
}

function keep(facts: Map<string, ExtractedFact>, fact: Found['fact']): void {
  const key = fact.text.toLowerCase();
  if (facts.size < MAX_FACTS && !facts.has(key)) facts.set(key, fact);
}

/** "Ana: I love tea" is said by Ana. */
function namedSpeaker(text: string, { tokens }: Sentence): string | undefined {
  const [name, colon, first] = tokens;
  if (name === undefined || colon?.low !== ':' || !/^(?:i|my|we|our)$/.test(first?.low ?? '')) {
    return undefined;
  }
  if (/^(?:user|assistant|human|ai|bot)$/.test(name.low)) return `the ${name.low}`;
  const isName = name.capital && ((name.tags & Tag.given) !== 0 || name.tags + name.role === 0);
  return isName ? text.slice(name.start, name.end) : undefined;
}

/** The speaker: a name as it is, a role as "the …". */
function speakerOf({ speaker }: ExtractionInput): string {
  switch (speaker) {
    case undefined:
      return 'the speaker';
    case 'user':
    case 'assistant':
    case 'system':
    case 'tool':
      return `the ${speaker}`;
    default:
      return cleanText(speaker, 100) || 'the speaker';
  }
}

function nothing(emptyReason: string): ExtractionOutput {
  return { facts: [], entities: [], emptyReason, usage: FREE, costUsd: 0 };
}

function reasonOf(sentences: number): string {
  return sentences === 0 ? 'no text' : 'no statement found';
}
