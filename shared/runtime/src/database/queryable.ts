import type pg from 'pg';

/** Whatever runs a statement: a pool, or a client inside a transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;
