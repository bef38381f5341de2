import type { Embedding } from '../embedding/embedding.js';
import type { Candidate } from './candidate.js';
import type { QueryOptions } from './database.js';
import type { Domain } from './domain.js';

/** A probe: a checked embedding with its space, or bare values whose space the caller answers for. */
export type Probe = Embedding | Float32Array;

export interface SearchOptions extends QueryOptions {
  /** Largest distance that counts as a match; the domain's own, else DeepFace's for the space, unless given. */
  readonly threshold?: number;
  /** Distinct persons wanted, 1–1000; 5 unless given. */
  readonly topK?: number;
  /** Compare with every face of the domain instead of asking the index. */
  readonly exact?: boolean;
  /** Leave the faces of this image out (leave-one-out). */
  readonly excludeImage?: string;
  /** HNSW's ef_search for this call. */
  readonly efSearch?: number;
}

/** How a search was answered. An exact answer is never labelled approximate, nor the reverse. */
export type SearchPlan =
  | { readonly kind: 'exact' }
  | { readonly kind: 'hnsw'; readonly index: 'whole-table' | 'domain'; readonly efSearch: number };

export interface SearchAnswer {
  readonly candidates: readonly Candidate[];
  readonly threshold: number;
  readonly plan: SearchPlan;
  readonly domain: Domain;
}
