const WIDTH = 24;
const REDRAW_MS = 100;
const PLAIN_LINE_MS = 5_000;
const CLEAR_LINE = '\r\u001B[K';

/** Where a bar is drawn: standard error, or a test's replacement. */
export interface BarStream {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

export interface BarOptions {
  readonly label: string;
  /** Undefined while the end is unknown: then the bar shows only the detail. */
  readonly total?: number | undefined;
  readonly stream?: BarStream;
  /** False for machine-readable output: then nothing is shown without a terminal. */
  readonly plainLines?: boolean;
  /** Milliseconds that only rise. */
  readonly clock?: () => number;
}

/** Progress as a bar that is redrawn on a terminal, and as a plain line every five seconds elsewhere. */
export class ProgressBar {
  readonly #label: string;
  readonly #total: number | undefined;
  readonly #stream: BarStream;
  readonly #clock: () => number;
  readonly #isTerminal: boolean;
  readonly #intervalMs: number;
  #line = '';
  #drawnAt: number;

  constructor(options: BarOptions) {
    const { label, total, stream = process.stderr, clock = () => performance.now() } = options;
    this.#label = label;
    this.#total = total;
    this.#stream = stream;
    this.#clock = clock;
    this.#isTerminal = stream.isTTY === true;
    const plainLineMs = options.plainLines === false ? Infinity : PLAIN_LINE_MS;
    this.#intervalMs = this.#isTerminal ? REDRAW_MS : plainLineMs;
    // A terminal shows the bar at once; a log file gets no line for work that is done quickly.
    this.#drawnAt = this.#isTerminal ? -Infinity : clock();
  }

  update(done: number, detail = ''): void {
    const now = this.#clock();
    if (now - this.#drawnAt < this.#intervalMs) return;
    this.#drawnAt = now;
    this.#line = barLine(this.#label, done, this.#total, detail);
    if (this.#isTerminal) this.#stream.write(`${CLEAR_LINE}${this.#line}`);
    else this.#stream.write(`${plainLine(this.#label, done, this.#total, detail)}\n`);
  }

  /** Prints a line of its own above the bar. */
  note(text: string): void {
    if (this.#isTerminal && this.#line !== '') {
      this.#stream.write(`${CLEAR_LINE}${text}\n${this.#line}`);
    } else this.#stream.write(`${text}\n`);
  }

  /** Removes the bar; later output starts on a clean line. */
  end(): void {
    if (this.#isTerminal && this.#line !== '') this.#stream.write(CLEAR_LINE);
    this.#line = '';
  }
}

function barLine(label: string, done: number, total: number | undefined, detail: string): string {
  if (total === undefined || total === 0) return `${label} ${detail}`.trimEnd();
  const share = Math.min(1, done / total);
  const filled = Math.round(share * WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
  return `${label} ${bar} ${percent(share)} ${detail}`.trimEnd();
}

function plainLine(label: string, done: number, total: number | undefined, detail: string): string {
  if (total === undefined || total === 0) return `${label}: ${detail}`;
  const rest = detail === '' ? '' : `, ${detail}`;
  return `${label}: ${percent(Math.min(1, done / total)).trimStart()}${rest}`;
}

function percent(share: number): string {
  return `${String(Math.floor(share * 100)).padStart(3)} %`;
}
