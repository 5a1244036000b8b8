import { ProviderError } from '@memfleet/models';

/**
 * Turns the answer of a service into vectors of length 1, one per text.
 * @throws ProviderError invalid_output when the number of vectors, a length or a value is wrong
 */
export function checkedVectors(
  answered: readonly (readonly number[])[],
  wanted: { readonly count: number; readonly dimensions: number },
): Float32Array[] {
  if (answered.length !== wanted.count) {
    throw wrong(`${answered.length} vectors for ${wanted.count} texts`);
  }
  return answered.map((values, index) => unitVector(values, index, wanted.dimensions));
}

function unitVector(values: readonly number[], index: number, dimensions: number): Float32Array {
  if (values.length !== dimensions) {
    throw wrong(`vector ${index} has ${values.length} dimensions instead of ${dimensions}`);
  }
  let largest = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) throw wrong(`vector ${index} holds a value that is not finite`);
    largest = Math.max(largest, Math.abs(value));
  }
  if (largest === 0) throw wrong(`vector ${index} is all zeros`);
  // Scaled first: the squares of very large or very small values leave the range of a double.
  let squares = 0;
  for (const value of values) squares += (value / largest) ** 2;
  const norm = Math.sqrt(squares);
  return Float32Array.from(values, (value) => value / largest / norm);
}

function wrong(what: string): ProviderError {
  return new ProviderError('invalid_output', `the answer does not fit: ${what}`);
}
