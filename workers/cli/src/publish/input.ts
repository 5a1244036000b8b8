import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UsageError } from '../failure.ts';

/** Lines are looked up and sent in batches, one for each read. */
const READ_BYTES = 256 * 1024;

/** The input to publish: it can be read once or, if `rereadable`, any number of times. */
export interface Input extends AsyncDisposable {
  /** Bytes in all; undefined for a pipe. */
  readonly size: number | undefined;
  chunks(signal: AbortSignal): AsyncIterable<Buffer>;
}

/**
 * Opens a file, or standard input for `-`. `rereadable` copies standard input into a temporary file
 * first.
 * @throws UsageError when the file cannot be read
 */
export async function openInput(
  file: string,
  options: { readonly rereadable: boolean; readonly signal: AbortSignal },
): Promise<Input> {
  if (file !== '-') return fileInput(await openFile(file));
  return options.rereadable ? await spooledInput(options.signal) : pipeInput();
}

async function openFile(path: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
  const found = await handle.stat();
  if (!found.isDirectory()) return handle;
  await handle.close();
  throw new UsageError(`${path} is a folder, not a file of JSON lines`);
}

async function fileInput(
  handle: FileHandle,
  close: () => Promise<void> = () => handle.close(),
): Promise<Input> {
  const found = await handle.stat();
  return {
    // A named pipe has no size, and no start to go back to.
    size: found.isFile() ? found.size : undefined,
    chunks: (signal) =>
      handle.createReadStream({
        ...(found.isFile() ? { start: 0 } : {}),
        highWaterMark: READ_BYTES,
        autoClose: false,
        signal,
      }),
    [Symbol.asyncDispose]: close,
  };
}

function pipeInput(): Input {
  return {
    size: undefined,
    chunks: (signal) => addAbortSignal(signal, process.stdin),
    async [Symbol.asyncDispose]() {
      // A producer that still writes must not keep this process alive.
      process.stdin.destroy();
      await Promise.resolve();
    },
  };
}

async function spooledInput(signal: AbortSignal): Promise<Input> {
  const folder = await mkdtemp(join(tmpdir(), 'memfleet-publish-'));
  const path = join(folder, 'lines');
  try {
    await pipeline(process.stdin, createWriteStream(path, { mode: 0o600 }), { signal });
    const handle = await open(path, 'r');
    return await fileInput(handle, async () => {
      await handle.close();
      await rm(folder, { recursive: true });
    });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
