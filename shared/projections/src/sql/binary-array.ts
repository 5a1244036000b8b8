import type { ColumnType } from '../kit/columns.ts';

/**
 * One-dimensional arrays in PostgreSQL's binary format (src/backend/utils/adt/arrayfuncs.c,
 * array_recv), which the driver passes on as it is. Measured for an upsert of 1,000 rows of 16
 * columns: 19.7 µs a row, against 39.3 with the driver's text arrays, which are escaped element by
 * element here and parsed character by character there.
 */
export function binaryArray(type: ColumnType, values: readonly Cell[]): Buffer {
  switch (type) {
    case 'text':
    case 'uuid':
    case 'timestamptz':
      return textArray(values);
    case 'int':
    case 'bigint':
      return integerArray(values);
    case 'double precision':
      return doubleArray(values);
    default:
      return type satisfies never;
  }
}

/** A value as it comes from a row; undefined where a row says nothing, which is written as null. */
export type Cell = string | number | null | undefined;

/** The type under which a column's values travel; the statement casts it to the column's own. */
export function wireType(type: ColumnType): 'text' | 'bigint' | 'float8' {
  switch (type) {
    case 'text':
    case 'uuid':
    case 'timestamptz':
      return 'text';
    case 'int':
    case 'bigint':
      return 'bigint';
    case 'double precision':
      return 'float8';
    default:
      return type satisfies never;
  }
}

/** A row that cannot be written whatever the database says: its event is to blame. */
export class UnwritableRow extends Error {
  override readonly name = 'UnwritableRow';
}

/** Object ids of the element types, fixed for all time (src/include/catalog/pg_type.dat). */
const OID = { text: 25, bigint: 20, float8: 701 } as const;

const HEADER = 20;
const NULL = -1;

function textArray(values: readonly Cell[]): Buffer {
  let room = HEADER;
  for (const value of values) room += 4 + (typeof value === 'string' ? value.length * 3 : 0);
  const buffer = Buffer.allocUnsafe(room);
  let offset = writeHeader(buffer, OID.text, values.length);
  for (const value of values) {
    if (value == null) {
      offset = buffer.writeInt32BE(NULL, offset);
      continue;
    }
    if (typeof value !== 'string') throw new UnwritableRow('a number stands where text belongs');
    const length = buffer.write(value, offset + 4);
    buffer.writeInt32BE(length, offset);
    offset += 4 + length;
  }
  return buffer.subarray(0, offset);
}

function integerArray(values: readonly Cell[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER + values.length * 12);
  let offset = writeHeader(buffer, OID.bigint, values.length);
  for (const value of values) {
    if (value == null) {
      offset = buffer.writeInt32BE(NULL, offset);
      continue;
    }
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
      throw new UnwritableRow('a number is not a whole one that is kept exactly');
    }
    offset = buffer.writeInt32BE(8, offset);
    offset = buffer.writeInt32BE(Math.floor(value / 0x1_0000_0000), offset);
    offset = buffer.writeUInt32BE(value >>> 0, offset);
  }
  return buffer.subarray(0, offset);
}

function doubleArray(values: readonly Cell[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER + values.length * 12);
  let offset = writeHeader(buffer, OID.float8, values.length);
  for (const value of values) {
    if (value == null) {
      offset = buffer.writeInt32BE(NULL, offset);
      continue;
    }
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new UnwritableRow('a number is not finite');
    }
    offset = buffer.writeInt32BE(8, offset);
    offset = buffer.writeDoubleBE(value, offset);
  }
  return buffer.subarray(0, offset);
}

/** Dimensions, whether there are nulls, element type, length, and the index of the first element. */
function writeHeader(buffer: Buffer, oid: number, length: number): number {
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(1, 4);
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(length, 12);
  return buffer.writeInt32BE(1, 16);
}
