import type { DifferenceClass } from './shadow-comparison.js';

/** Milliseconds. */
export interface LatencyPercentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface DifferenceExample {
  /** SHA-256 of the probe: the photo's bytes, or the vector's where there was no photo. */
  readonly probe: string;
  readonly at: string;
  readonly datastore: { readonly person: string; readonly distance: number } | null;
  readonly gallery: { readonly person: string; readonly distance: number } | null;
  readonly detail: string;
}

/** The JSON of `kith shadow report`. */
export interface ShadowReport {
  readonly domain: string;
  readonly comparisons: number;
  /** Share of comparisons in which both sides named the same first person, or both nobody; null without comparisons. */
  readonly agreement: number | null;
  /** Wilson score interval of the agreement, 95 %. */
  readonly interval: readonly [low: number, high: number];
  /** Comparisons per class of difference; classes that did not occur are left out. */
  readonly differences: Readonly<Partial<Record<DifferenceClass, number>>>;
  readonly examples: Readonly<Partial<Record<DifferenceClass, readonly DifferenceExample[]>>>;
  readonly latency: {
    readonly datastore: LatencyPercentiles | null;
    readonly gallery: LatencyPercentiles | null;
  };
  /** Persons of the datastore and how many of them the gallery has; null when a side cannot be read. */
  readonly coverage: {
    readonly datastore: number;
    readonly gallery: number;
    readonly missing: readonly string[];
  } | null;
  /** The datastore held against the database, both ways; null when it was not asked for or could not be done. */
  readonly validated: {
    readonly ok: number;
    readonly missing: number;
    readonly extra: number;
    readonly different: number;
  } | null;
  /** Comparisons that were not recorded since the service started: the queue was full. */
  readonly dropped: number;
  readonly verdict: 'ready' | 'not ready';
  /** Why it is not ready; empty when it is. */
  readonly reasons: readonly string[];
}

export interface ReplayProgress {
  readonly done: number;
  readonly total: number | null;
  readonly rate: number;
  readonly secondsLeft: number | null;
}

export interface ReplayRequest {
  readonly domain: string;
  /** Photos of this folder as probes, instead of every enrolled face with its own image left out on both sides. */
  readonly photos?: string;
  /** Also search with the query that `DeepFace.find` of 0.0.94–0.0.100 would have used (RGB); needs photos. */
  readonly legacyFind?: boolean;
  /** Probes at most; all unless given. */
  readonly limit?: number;
  readonly onProgress?: (progress: ReplayProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The JSON of `kith shadow replay`. */
export interface ReplayReport {
  readonly domain: string;
  readonly comparisons: number;
  readonly agreed: number;
  readonly differences: Readonly<Partial<Record<DifferenceClass, number>>>;
  /** Probes that could not be used: a photo without a face, an image that is not there. */
  readonly skipped: number;
  /** How the old service's own answers differ from both, for the channel order alone. */
  readonly legacyFind: { readonly comparisons: number; readonly differ: number } | null;
  readonly seconds: number;
}
