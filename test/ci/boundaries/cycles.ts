/** Edges from a file to the files it imports. */
export type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * One cycle for each group of files that import each other, as the list of its files, with the first one repeated at the
 * end. Types count too: two files that need each other's types are one concept in two files.
 */
export function findCycles(graph: Graph): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  for (const start of [...graph.keys()].toSorted()) {
    if (done.has(start)) continue;
    const cycle = shortestWayBack(graph, start);
    if (cycle === undefined) continue;
    cycles.push(cycle);
    // The other files of a reported cycle would only repeat it, each from its own point of view.
    for (const file of cycle) done.add(file);
  }
  return cycles;
}

function shortestWayBack(graph: Graph, start: string): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const file of queue) {
    for (const next of graph.get(file) ?? []) {
      if (next === start) return [...pathTo(file, start, cameFrom), start];
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, file);
      queue.push(next);
    }
  }
  return undefined;
}

function pathTo(file: string, start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const path = [file];
  for (let at = file; at !== start; path.unshift(at)) at = cameFrom.get(at) ?? start;
  return path;
}
