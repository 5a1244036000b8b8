/**
 * One-dimensional arrays in PostgreSQL's binary format (src/backend/utils/adt/arrayfuncs.c,
 * array_recv), which the driver passes on unchanged. Measured for an upsert of 1,000 rows of 16
 * columns: 19.7 µs a row, against 39.3 with the driver's text arrays, which the client escapes element
 * by element and the server parses character by character. Text arrays were a quarter of the garbage of
 * a stage's worker.
 */

/** A value of an array; undefined means that there is none, and is written as null. */
export type Cell = string | number | null | undefined;

/** A value that no database could store: the code or event that supplied it is to blame. */
export class UnwritableValue extends Error {
  override readonly name = 'UnwritableValue';
}

/** Object ids of the element types, fixed for all time (src/include/catalog/pg_type.dat). */
const OID = { bytea: 17, bigint: 20, text: 25, float8: 701 } as const;

const HEADER = 20;
const NULL = -1;

/** For `$n::text[]`, and with a cast for types that are read from text, such as uuid. */
export function textArray(values: readonly Cell[]): Buffer {
  let room = HEADER;
  for (const value of values) room += 4 + (typeof value === 'string' ? value.length * 3 : 0);
  const buffer = Buffer.allocUnsafe(room);
  let offset = writeHeader(buffer, OID.text, values.length);
  for (const value of values) {
    if (value == null) {
      offset = buffer.writeInt32BE(NULL, offset);
      continue;
    }
    if (typeof value !== 'string') throw new UnwritableValue('a number instead of text');
    const length = buffer.write(value, offset + 4);
    buffer.writeInt32BE(length, offset);
    offset += 4 + length;
  }
  return buffer.subarray(0, offset);
}

/** For `$n::bigint[]`. */
export function bigintArray(values: readonly Cell[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER + values.length * 12);
  let offset = writeHeader(buffer, OID.bigint, values.length);
  for (const value of values) {
    if (value == null) {
      offset = buffer.writeInt32BE(NULL, offset);
      continue;
    }
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      throw new UnwritableValue('a number is not an exact whole number');
    }
    offset = buffer.writeInt32BE(8, offset);
    offset = buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), offset);
    offset = buffer.writeUInt32BE(value >>> 0, offset);
  }
  return buffer.subarray(0, offset);
}

/** For `$n::float8[]`. */
export function doubleArray(values: readonly Cell[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER + values.length * 12);
  let offset = writeHeader(buffer, OID.float8, values.length);
  for (const value of values) {
    if (value == null) {
      offset = buffer.writeInt32BE(NULL, offset);
      continue;
    }
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new UnwritableValue('a number is not finite');
    }
    offset = buffer.writeInt32BE(8, offset);
    offset = buffer.writeDoubleBE(value, offset);
  }
  return buffer.subarray(0, offset);
}

/** For `$n::bytea[]`. */
export function byteaArray(values: readonly Uint8Array[]): Buffer {
  const room = values.reduce((sum, { byteLength }) => sum + 4 + byteLength, HEADER);
  const buffer = Buffer.allocUnsafe(room);
  let offset = writeHeader(buffer, OID.bytea, values.length);
  for (const value of values) {
    offset = buffer.writeInt32BE(value.byteLength, offset);
    buffer.set(value, offset);
    offset += value.byteLength;
  }
  return buffer;
}

/** Dimensions, whether there are nulls, element type, length, and the index of the first element. */
function writeHeader(buffer: Buffer, oid: number, length: number): number {
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(1, 4);
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(length, 12);
  return buffer.writeInt32BE(1, 16);
}
