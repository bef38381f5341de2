import { KithError } from '../errors.js';
import { type EmbeddingSpace, spaceName } from './space.js';

declare const checked: unique symbol;

/** A vector whose length, finiteness and norm were checked, with the space that it lies in. Made by {@link embedding}. */
export interface Embedding {
  readonly space: EmbeddingSpace;
  /** `space.dimensions` float32 values, as the model gave them (not normalised). */
  readonly values: Float32Array;
  /** Euclidean length of `values`, > 0. */
  readonly norm: number;
  readonly [checked]: true;
}

/** What keeps a vector from being an embedding; shared by search (an error) and migration (a skip reason). */
export type VectorFlaw =
  | { readonly kind: 'dimension' }
  | { readonly kind: 'not-finite'; readonly index: number }
  | { readonly kind: 'zero-norm' };

/** The flaw of a vector, or its norm. */
export function inspectVector(values: ArrayLike<number>, dimensions: number): VectorFlaw | number {
  if (values.length !== dimensions) return { kind: 'dimension' };
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    squares += value * value;
  }
  if (!Number.isFinite(squares)) {
    const index = Array.prototype.findIndex.call(values, (value: number) => !Number.isFinite(Math.fround(value)));
    return { kind: 'not-finite', index: Math.max(index, 0) };
  }
  return squares > 0 ? Math.sqrt(squares) : { kind: 'zero-norm' };
}

/** Checks a vector once and brands it with its space. Throws `embedding-dimension`, `-not-finite` or `-zero-norm`. */
export function embedding(values: Float32Array, space: EmbeddingSpace): Embedding {
  const norm = inspectVector(values, space.dimensions);
  if (typeof norm === 'number') return Object.freeze({ space, values, norm }) as Embedding;
  switch (norm.kind) {
    case 'dimension':
      throw new KithError('embedding-dimension', {
        given: values.length,
        expected: space.dimensions,
        space: spaceName(space),
      });
    case 'not-finite':
      throw new KithError('embedding-not-finite', { index: norm.index });
    case 'zero-norm':
      throw new KithError('embedding-zero-norm', {});
  }
}
