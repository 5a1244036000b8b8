import { createInterface } from 'node:readline/promises';

/** Asks a yes-or-no question on the terminal; anything but yes is no. */
export async function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // The interface takes Ctrl-C for itself; it means no.
  const stop = new AbortController();
  terminal.on('SIGINT', () => stop.abort());
  try {
    const answer = await terminal.question(`${question} [y/N] `, {
      signal: AbortSignal.any([signal, stop.signal]),
    });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
