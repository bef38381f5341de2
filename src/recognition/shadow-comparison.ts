import type { Embedding } from '../embedding/embedding.js';
import type { Candidate } from '../gallery/candidate.js';

/**
 * Why the two answers to one probe differ:
 * - `missing-row`: the gallery lacks a face that the datastore has (not migrated)
 * - `stale-row`: both have the face, with another vector or person; or only the gallery has it
 * - `ann-miss`: the gallery has it and an exact scan finds it: the index did not
 * - `tie`: persons at equal distance, within ε, in another order
 * - `threshold-edge`: a distance within ε of the threshold fell on different sides of it
 * - `channel-order`: the other order of colour channels explains the distances
 * - `error`: one side failed
 * - `unexplained`: none of these; it keeps a domain from being ready
 */
export const DIFFERENCE_CLASSES = [
  'missing-row',
  'stale-row',
  'ann-miss',
  'tie',
  'threshold-edge',
  'channel-order',
  'error',
  'unexplained',
] as const;

export type DifferenceClass = (typeof DIFFERENCE_CLASSES)[number];

/** ε: two distances nearer than this are equal. float32 vectors summed in another order differ by about 1e-6. */
export const DISTANCE_EPSILON = 1e-5;

/** What is known of a probe beside its embedding. Never the photo itself. */
export interface ProbeIdentity {
  /** SHA-256 of the photo's bytes, or of the vector's where there was no photo. */
  readonly sha256: string;
  /** The same face embedded in the other channel order; null where no engine can. Kept only while it is compared. */
  readonly otherOrder?: (() => Promise<Embedding | null>) | undefined;
}

/** One side's answer to a probe. */
export type SideAnswer =
  | { readonly ok: true; readonly candidates: readonly Candidate[]; readonly ms: number }
  | { readonly ok: false; readonly error: string; readonly ms: number };

export interface Comparison {
  readonly agreed: boolean;
  readonly class: DifferenceClass | null;
  /** Shared persons among the first k, 0–1; null when a side failed. */
  readonly overlap: number | null;
  /** Largest difference of distance over the shared persons; null when there are none. */
  readonly maxDifference: number | null;
  readonly detail: string;
}
