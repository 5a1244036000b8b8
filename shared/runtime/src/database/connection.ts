import type pg from 'pg';

export type Pool = pg.Pool;
export type Client = pg.PoolClient;
/** Anything that runs a statement: a pool, or a client inside a transaction. */
export type Queryable = Pick<pg.ClientBase, 'query'>;
