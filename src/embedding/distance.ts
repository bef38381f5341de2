import type { Embedding } from './embedding.js';
import { assertComparable, type Metric } from './space.js';

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/** sqrt(Σ (a/scaleA − b/scaleB)²) */
const separation = (a: Float32Array, scaleA: number, b: Float32Array, scaleB: number): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! / scaleA - b[i]! / scaleB;
    sum += difference * difference;
  }
  return Math.sqrt(sum);
};

/** Cosine similarity of two embeddings of one space, −1 … 1. */
export function similarity(a: Embedding, b: Embedding): number {
  assertComparable(a.space, b.space);
  return Math.max(-1, Math.min(1, dot(a.values, b.values) / (a.norm * b.norm)));
}

/**
 * The distance of two embeddings as DeepFace defines it (`modules/verification.py`): cosine 1 − similarity,
 * euclidean, euclidean of the l2-normalised vectors, angular arccos(similarity)/π. Throws `space-mismatch`.
 */
export function distance(a: Embedding, b: Embedding, metric: Metric = a.space.metric): number {
  assertComparable(a.space, b.space);
  switch (metric) {
    case 'cosine':
      return 1 - similarity(a, b);
    case 'angular':
      return Math.acos(similarity(a, b)) / Math.PI;
    case 'euclidean':
      return separation(a.values, 1, b.values, 1);
    case 'euclidean_l2':
      return separation(a.values, a.norm, b.values, b.norm);
  }
}
