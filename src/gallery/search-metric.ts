import type { Metric } from '../embedding/space.js';
import type { StoredSpace } from './domain.js';

/** How a metric is computed by pgvector: its operator, its operator class, and what makes the result the metric's own. */
export interface MetricInDatabase {
  readonly operator: '<=>' | '<->';
  readonly family: 'cosine_ops' | 'l2_ops';
  readonly distance: (found: number) => number;
}

const COSINE = { operator: '<=>', family: 'cosine_ops' } as const;

/** Every metric but the plain euclidean orders faces as the cosine distance does, so it is searched by that. */
export function metricInDatabase(metric: Metric): MetricInDatabase {
  switch (metric) {
    case 'cosine':
      return { ...COSINE, distance: (cosine) => cosine };
    case 'euclidean_l2':
      return { ...COSINE, distance: (cosine) => Math.sqrt(2 * Math.max(0, cosine)) };
    case 'angular':
      return { ...COSINE, distance: (cosine) => Math.acos(Math.max(-1, Math.min(1, 1 - cosine))) / Math.PI };
    case 'euclidean':
      return { operator: '<->', family: 'l2_ops', distance: (found) => found };
  }
}

export const metricOf = (stored: StoredSpace): Metric => stored.space?.metric ?? 'cosine';

/** What an index keeps of an embedding: all of it, or a copy in half precision. */
export type IndexedValue = 'vector' | 'halfvec';

/**
 * What an index of a table orders by, made of a vector's expression. Half precision ends at 65,504, so where only the
 * direction counts it keeps the vector at length 1.
 */
export function indexedExpression(stored: StoredSpace, indexed: IndexedValue, vector: string): string {
  if (indexed === 'vector') return vector;
  const { family } = metricInDatabase(metricOf(stored));
  return `${family === 'l2_ops' ? vector : `l2_normalize(${vector})`}::halfvec(${stored.dimensions})`;
}

/** HNSW over `vector` ends at 2,000 dimensions; over `halfvec` (pgvector 0.7) at 4,000. */
export const MOST_INDEXED: Readonly<Record<IndexedValue, number>> = { vector: 2_000, halfvec: 4_000 };
