/** The workers there are: each is a process, `workers/<name>/src/main.ts`. */
export const WORKERS = ['extraction', 'embedding', 'projection'] as const;
export type WorkerName = (typeof WORKERS)[number];
