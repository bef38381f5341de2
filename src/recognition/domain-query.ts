import type { EmbeddingSpace } from '../embedding/space.js';
import { spaceName } from '../embedding/space.js';
import { defaultThreshold } from '../embedding/threshold.js';
import { KithError } from '../errors.js';
import type { DomainState } from './domain-state.js';

/** What a search wants, settled: every default is filled in. */
export interface DomainQuery {
  /** Distinct persons. */
  readonly topK: number;
  /** Largest distance that counts as a match, inclusive. */
  readonly threshold: number;
  readonly signal?: AbortSignal | undefined;
}

export const DEFAULT_TOP_K = 5;
const MAX_TOP_K = 1000;

/** The call's threshold, else the domain's own, else DeepFace's for the space. Throws `threshold-unknown`, `threshold-value`. */
export function thresholdOf(state: DomainState, space: EmbeddingSpace, given: number | undefined): number {
  if (given !== undefined && !(given >= 0 && Number.isFinite(given))) throw new KithError('threshold-value', { given });
  const threshold = given ?? state.threshold ?? defaultThreshold(space);
  if (threshold !== null) return threshold;
  throw new KithError('threshold-unknown', { domain: state.domain, space: spaceName(space) });
}

/** Throws `top-k-value`. */
export function topKOf(given: number | undefined): number {
  const topK = given ?? DEFAULT_TOP_K;
  if (Number.isInteger(topK) && topK >= 1 && topK <= MAX_TOP_K) return topK;
  throw new KithError('top-k-value', { given: topK, max: MAX_TOP_K });
}
