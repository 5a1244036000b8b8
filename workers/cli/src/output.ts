import { once } from 'node:events';

let closed = false;
const readersLeft = new AbortController();

/**
 * A reader that has seen enough (`| head`) closes the pipe. That is no failure: later output goes
 * nowhere, and commands that would print for ever end.
 */
export function survivePipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (stream !== process.stdout) return;
      closed = true;
      readersLeft.abort();
    });
  }
}

/** Aborts when nobody reads standard output any more. */
export const readerGone: AbortSignal = readersLeft.signal;

/** Writes to standard output, no faster than it is read. */
export async function print(text: string): Promise<void> {
  if (closed) return;
  if (process.stdout.write(text)) return;
  // `survivePipes` handles the error of a closed pipe; the wait ends with it.
  await once(process.stdout, 'drain', { signal: readerGone }).catch(() => undefined);
}

export async function printLine(text: string): Promise<void> {
  await print(`${text}\n`);
}

/** One JSON document, or one record of many, on a line. */
export async function printJson(value: unknown): Promise<void> {
  await print(`${JSON.stringify(value)}\n`);
}

/** A message to the person at the terminal; never part of the output. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}
