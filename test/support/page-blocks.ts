/** A block of code in a page of Markdown. */
export interface PageBlock {
  readonly language: string;
  readonly text: string;
  /** The file that the paragraph before it names last, such as `summary.mjs`. */
  readonly file: string | undefined;
}

/** ```language … ``` */
const BLOCK = /^```(?<language>\w*)\n(?<text>.*?)^```$/gms;
const FILE = /`(?<file>[\w./-]+\.\w+)`/g;
/** What these blocks hold is typed or printed, and never a file. */
const IN_A_TERMINAL: ReadonlySet<string> = new Set(['', 'sh', 'console']);

/** The blocks of a page, in its order. */
export function blocksOf(page: string): PageBlock[] {
  return [...page.matchAll(BLOCK)].map(({ groups, index }) => {
    const paragraph = page.slice(0, index).trimEnd().split('\n\n').at(-1) ?? '';
    return {
      language: groups?.['language'] ?? '',
      text: groups?.['text'] ?? '',
      file: [...paragraph.matchAll(FILE)].at(-1)?.groups?.['file'],
    };
  });
}

/** Names and texts of the blocks that are files, as they stand. */
export function filesOf(blocks: readonly PageBlock[]): (readonly [name: string, text: string])[] {
  return blocks.flatMap(({ language, text, file }) =>
    file === undefined || IN_A_TERMINAL.has(language) ? [] : [[file, text] as const],
  );
}
