/** The types a column of a read model may have. Each has one encoding; see sql/binary-array.ts. */
export type ColumnType = 'text' | 'uuid' | 'timestamptz' | 'int' | 'bigint' | 'double precision';

export type Columns = Readonly<Record<string, ColumnType>>;

/** Times stay text as the event says them: PostgreSQL keeps microseconds, a Date does not. */
export type Value = string | number | null;
export type Row = Readonly<Record<string, Value>>;

type ValueOf<Type extends ColumnType> = Type extends 'text' | 'uuid' | 'timestamptz'
  ? string
  : number;

/** A row as its columns declare it; a missing value is null. */
export type RowOf<Declared extends Columns> = {
  readonly [Name in keyof Declared]: ValueOf<Declared[Name]> | null;
};

/** A key has no nulls. */
export type KeyOf<Declared extends Columns> = {
  readonly [Name in keyof Declared]: ValueOf<Declared[Name]>;
};
