import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { systemCode } from '../errors.ts';

// Two files of this size hold days of a quiet fleet and hours of a loud one.
const LIMIT_BYTES = 10 * 1024 * 1024;

/**
 * A log on disk that never takes more than twice its limit: a full file becomes `<file>.1`. Lines are written
 * at once, so that the last ones survive any crash.
 */
export class LogFile {
  readonly path: string;
  readonly #limit: number;
  #file: number | undefined;
  #bytes: number;

  constructor(path: string, limit = LIMIT_BYTES) {
    this.path = path;
    this.#limit = limit;
    this.#file = openSync(path, 'a', 0o600);
    this.#bytes = fstatSync(this.#file).size;
    if (this.#bytes > limit) this.#turn(this.#file);
  }

  write(line: string): void {
    // A process may still log while everything ends.
    if (this.#file === undefined) return;
    try {
      this.#bytes += writeSync(this.#file, `${line}\n`);
    } catch (error) {
      // A full disk must not end the fleet: the line is lost, and the servers report the cause.
      if (systemCode(error) !== 'ENOSPC') throw error;
      return;
    }
    if (this.#bytes > this.#limit) this.#turn(this.#file);
  }

  end(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #turn(file: number): void {
    closeSync(file);
    renameSync(this.path, `${this.path}.1`);
    this.#file = openSync(this.path, 'a', 0o600);
    this.#bytes = 0;
  }
}
