import { bigintArray, type Cell, doubleArray, textArray } from '@memfleet/runtime';
import type { ColumnType } from '../kit/columns.ts';

/** A column's values as one parameter. @throws UnwritableValue */
export function binaryArray(type: ColumnType, values: readonly Cell[]): Buffer {
  switch (type) {
    case 'text':
    case 'uuid':
    case 'timestamptz':
      return textArray(values);
    case 'int':
    case 'bigint':
      return bigintArray(values);
    case 'double precision':
      return doubleArray(values);
    default:
      return type satisfies never;
  }
}

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
