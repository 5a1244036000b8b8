import { CodedError, type Publisher } from '@memfleet/events';
import type { ProgressBar } from '../progress-bar.ts';
import { printable } from '../words.ts';
import { eventOfLine, type LineEvent, LineProblem } from './line-event.ts';
import { type Line, readLines } from './lines.ts';
import { Occurrences } from './occurrences.ts';
import type { StoredEvents } from './stored-events.ts';

export interface Counts {
  readonly published: number;
  /** Events that were in the log before. */
  readonly duplicates: number;
  readonly rejected: number;
}

export interface RunOptions {
  readonly publisher: Publisher;
  readonly stored: StoredEvents | undefined;
  readonly bar: ProgressBar;
  readonly source: string;
  /** Stops at the first bad line. */
  readonly strict: boolean;
  readonly maxLineBytes: number;
  readonly signal: AbortSignal;
}

interface Item extends LineEvent {
  readonly line: number;
}

/** Concurrent appends. */
const WINDOW = 256;

/** Failures that a single event is to blame for; any other failure ends the run. */
const REJECTIONS: ReadonlySet<string> = new Set([
  'EVENT_INVALID',
  'EVENT_TOO_LARGE',
  'EVENT_CONFLICTING_PAYLOAD',
]);

/**
 * Publishes a file: read → look up → append. A bad line is reported by its number, and the run
 * continues; a failure that no event is to blame for stops the reading, and appends in progress finish.
 */
export class PublishRun {
  readonly #options: RunOptions;
  #published = 0;
  #duplicates = 0;
  #rejected = 0;
  #failure: unknown;
  #hasFailed = false;
  #lastLine = 0;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  get counts(): Counts {
    return {
      published: this.#published,
      duplicates: this.#duplicates,
      rejected: this.#rejected,
    };
  }

  /** Number of the last line that was read. */
  get lastLine(): number {
    return this.#lastLine;
  }

  /** Checks every line up to the first bad one and publishes none. */
  async check(chunks: AsyncIterable<Buffer>): Promise<void> {
    const { publisher } = this.#options;
    for await (const batch of this.#batches(chunks)) {
      for (const { line, event } of batch) {
        if (this.#isOver) return;
        try {
          publisher.prepare(event);
        } catch (error) {
          this.#settleError(line, error);
        }
      }
    }
    if (this.#hasFailed) throw this.#failure;
  }

  /** @throws the error that stopped the run, after all appends in progress have ended */
  async publish(chunks: AsyncIterable<Buffer>): Promise<void> {
    const results = this.#options.publisher.appendAll(this.#unstored(chunks), {
      window: WINDOW,
      event: ({ event, timeIsAssigned }) => ({ event, options: { timeIsAssigned } }),
    });
    for await (const result of results) {
      if (!result.ok) this.#settleError(result.item.line, result.error);
      else if (result.appended.duplicate) this.#duplicates += 1;
      else this.#published += 1;
    }
    if (this.#hasFailed) throw this.#failure;
  }

  get #isOver(): boolean {
    const { strict, signal } = this.#options;
    return this.#hasFailed || signal.aborted || (strict && this.#rejected > 0);
  }

  /** The events to append: the others are in the log already. */
  async *#unstored(chunks: AsyncIterable<Buffer>): AsyncGenerator<Item> {
    const { stored } = this.#options;
    for await (const batch of this.#batches(chunks)) {
      const found = (await this.#attempt(async () => await stored?.find(batch))) ?? [];
      for (const [index, item] of batch.entries()) {
        if (this.#isOver) return;
        const known = found[index];
        if (known === undefined) yield item;
        else if (known.kind === 'same') this.#duplicates += 1;
        else this.#settleError(item.line, known.error);
      }
    }
  }

  /** Never throws: its consumer has appends in progress, whose results must not be lost. */
  async *#batches(chunks: AsyncIterable<Buffer>): AsyncGenerator<Item[]> {
    const { bar, maxLineBytes, source } = this.#options;
    const reading = { source, occurrences: new Occurrences(), now: new Date() };
    const batches = readLines(chunks, maxLineBytes)[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#attempt(() => batches.next());
      if (next === undefined || next.done === true || this.#isOver) return;
      const { lines, bytesRead } = next.value;
      const items = lines.map((line) => this.#read(line, reading));
      yield items.filter((item) => item !== undefined);
      this.#lastLine = lines.at(-1)?.number ?? this.#lastLine;
      bar.update(bytesRead, `${this.#published + this.#duplicates} events`);
    }
  }

  #read(line: Line, reading: Parameters<typeof eventOfLine>[1]): Item | undefined {
    if (this.#isOver) return undefined;
    if ('problem' in line) return this.#reject(line.number, line.problem);
    try {
      return { line: line.number, ...eventOfLine(line.text, reading) };
    } catch (error) {
      if (!(error instanceof LineProblem)) throw error;
      return this.#reject(line.number, error.message);
    }
  }

  async #attempt<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await work();
    } catch (error) {
      // An interrupted read ends with an error of its own.
      if (!this.#options.signal.aborted) this.#fail(error);
      return undefined;
    }
  }

  #settleError(line: number, error: unknown): void {
    if (isRejection(error)) this.#reject(line, error.message);
    else this.#fail(error);
  }

  #reject(line: number, reason: string): undefined {
    this.#rejected += 1;
    this.#options.bar.note(`line ${line}: ${printable(reason)}`);
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#failure = error;
  }
}

function isRejection(error: unknown): error is CodedError {
  return error instanceof CodedError && REJECTIONS.has((error as CodedError).code);
}
