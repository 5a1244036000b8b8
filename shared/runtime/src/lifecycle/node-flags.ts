/**
 * Node's flags for a worker. A worker's objects live for the milliseconds of a batch, and V8 by default
 * lets such garbage grow to hundreds of MB before it collects it. The tighter the limits, the more often
 * V8 traverses live objects. Measured for extraction, CPU per event and peak memory: 299 µs and 218 MB
 * with 8 and 20, 261 to 273 µs and 215 to 225 MB with these; V8's own growth saves a little more CPU and
 * takes 350 MB, in a projection worker 330.
 */
export const WORKER_FLAGS = [
  // MB for each half of the young generation; the default is 64 on a large machine.
  '--max-semi-space-size=16',
  // Growth of the old generation, in percent, after which V8 collects it.
  '--heap-growing-percent=50',
] as const;
