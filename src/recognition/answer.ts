import type { Box } from '../face/face.js';
import type { Candidate } from '../gallery/candidate.js';
import type { Mode } from '../gallery/domain.js';
import type { Verdict } from './verdict.js';

/**
 * What the service answers, to the letter: the command line prints these as JSON and the HTTP API sends them.
 * A space is given by its name, or null while nobody has declared of which space a taken-over table is.
 */

/** Milliseconds per stage of one identification. */
export interface Timings {
  /** Bytes to upright pixels. */
  readonly decode: number;
  /** Detection, alignment and embedding of every face. */
  readonly faces: number;
  /** The searches of all faces together. */
  readonly search: number;
  readonly total: number;
}

export interface RecognizedFace {
  readonly box: Box;
  /** The detector's score, 0–1. */
  readonly confidence: number;
  readonly verdict: Verdict;
  /** Distinct persons within the threshold, nearest first. */
  readonly candidates: readonly Candidate[];
}

export interface RecognizeAnswer {
  readonly domain: string;
  readonly mode: Mode;
  readonly space: string | null;
  readonly image: { readonly width: number; readonly height: number };
  /** Empty when the photo shows no face. */
  readonly faces: readonly RecognizedFace[];
  readonly timings: Timings;
}

export interface SearchJson {
  readonly domain: string;
  readonly mode: Mode;
  readonly space: string | null;
  readonly candidates: readonly Candidate[];
}

export interface VerifyAnswer {
  readonly verdict: 'same' | 'different';
  readonly distance: number;
  readonly threshold: number;
  /** DeepFace's calibrated 0–100, or null where the space has no calibration. */
  readonly confidence: number | null;
  readonly space: string;
  /** The compared face of each photo and how many the photo shows: with several, the largest is compared. */
  readonly faces: readonly [ComparedFace, ComparedFace];
}

export interface ComparedFace {
  readonly box: Box;
  readonly confidence: number;
  /** Faces in the photo, 1 or more. */
  readonly of: number;
}

export interface FoundFace {
  readonly box: Box;
  readonly confidence: number;
  /** Only in the answer of `embed`. */
  readonly embedding?: readonly number[];
}

/** The answer of `detect` and `embed`. */
export interface FacesAnswer {
  readonly space: string;
  readonly faces: readonly FoundFace[];
}
