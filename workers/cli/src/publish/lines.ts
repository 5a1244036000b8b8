import { isUtf8 } from 'node:buffer';

/** One line of input: its text, or why there is none. */
export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly problem: string };

/** The lines completed by one read, and how many bytes have been read so far. */
export interface LineBatch {
  readonly lines: readonly Line[];
  readonly bytesRead: number;
}

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = '\uFEFF';

/**
 * Yields complete lines, one batch per read, in constant memory: a line over `maxBytes` becomes a
 * problem and is skipped without being buffered. Blank lines are left out but counted; a byte order mark
 * is removed, and a carriage return is white space to JSON anyway.
 */
export async function* readLines(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<LineBatch> {
  const splitter = new Splitter(maxBytes);
  let bytesRead = 0;
  for await (const chunk of chunks) {
    bytesRead += chunk.byteLength;
    const lines = splitter.take(chunk);
    if (lines.length > 0) yield { lines, bytesRead };
  }
  const rest = splitter.end();
  if (rest.length > 0) yield { lines: rest, bytesRead };
}

class Splitter {
  readonly #maxBytes: number;
  #number = 0;
  /** The incomplete line, in the pieces in which it arrived. */
  #pieces: Buffer[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  take(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end === -1) break;
      this.#add(chunk.subarray(start, end));
      this.#finish(lines);
      start = end + 1;
    }
    this.#add(chunk.subarray(start));
    return lines;
  }

  /** The last line may lack its newline. */
  end(): Line[] {
    const lines: Line[] = [];
    if (this.#length > 0) this.#finish(lines);
    return lines;
  }

  #add(piece: Buffer): void {
    this.#length += piece.byteLength;
    if (this.#length > this.#maxBytes) this.#pieces = [];
    else if (piece.byteLength > 0) this.#pieces.push(piece);
  }

  #finish(lines: Line[]): void {
    this.#number += 1;
    const line = lineOf(this.#number, this.#pieces, this.#length, this.#maxBytes);
    this.#pieces = [];
    this.#length = 0;
    if ('problem' in line || line.text.trim() !== '') lines.push(line);
  }
}

function lineOf(number: number, pieces: readonly Buffer[], length: number, maxBytes: number): Line {
  if (length > maxBytes) {
    return { number, problem: `the line is ${length} bytes, over the limit of ${maxBytes}` };
  }
  const [only] = pieces;
  const bytes = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  if (!isUtf8(bytes)) return { number, problem: 'the line is not UTF-8' };
  const text = bytes.toString('utf8');
  return { number, text: number === 1 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text };
}
