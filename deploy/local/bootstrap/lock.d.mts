/** Takes the lock file at `path` without waiting; `owner` is the id of the living process that holds it. */
export function tryLock(path: string): { release: () => void } | { owner: number };
