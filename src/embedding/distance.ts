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

const cosine = (a: Float32Array, normA: number, b: Float32Array, normB: number): number =>
  Math.max(-1, Math.min(1, dot(a, b) / (normA * normB)));

/** Cosine similarity of two embeddings of one space, −1 … 1. */
export function similarity(a: Embedding, b: Embedding): number {
  assertComparable(a.space, b.space);
  return cosine(a.values, a.norm, b.values, b.norm);
}

/**
 * The distance of two embeddings as DeepFace defines it (`modules/verification.py`): cosine 1 − similarity,
 * euclidean, euclidean of the l2-normalised vectors, angular arccos(similarity)/π. Throws `space-mismatch`.
 */
export function distance(a: Embedding, b: Embedding, metric: Metric = a.space.metric): number {
  assertComparable(a.space, b.space);
  return vectorDistance(metric, a.values, a.norm, b.values, b.norm);
}

/** As {@link distance}, for vectors that were checked and whose norms are known. In double precision. */
export function vectorDistance(metric: Metric, a: Float32Array, normA: number, b: Float32Array, normB: number): number {
  switch (metric) {
    case 'cosine':
      return 1 - cosine(a, normA, b, normB);
    case 'angular':
      return Math.acos(cosine(a, normA, b, normB)) / Math.PI;
    case 'euclidean':
      return separation(a, 1, b, 1);
    case 'euclidean_l2':
      return separation(a, normA, b, normB);
  }
}
