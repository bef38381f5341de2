import type { EmbeddingSpace, SpaceName } from '../embedding/space.js';

/** One image to enrol. Its bytes are asked for once, when its turn comes. */
export interface EnrolImage {
  readonly person: string;
  /** Where the image is kept, as it will be stored: `<domain>/<Person>/<file>`, with `/` between its parts. */
  readonly path: string;
  readonly bytes: () => Promise<Uint8Array>;
}

/** Faces below these are reported as poor; measured on each face, see `FaceQuality`. */
export interface QualityBounds {
  /** Shorter side of the face's box, pixels. */
  readonly minSize: number;
  /** Variance of the Laplacian over the face at 112 × 112. */
  readonly minSharpness: number;
  /** 0 frontal … 1 profile. */
  readonly maxTurn: number;
}

// Below a sharpness of 10 blur moves the bundled engine's embedding by a third of its threshold (docs/decisions/0010).
export const DEFAULT_QUALITY: QualityBounds = Object.freeze({ minSize: 48, minSharpness: 10, maxTurn: 0.6 });

export interface EnrolProgress {
  readonly done: number;
  readonly total: number;
  /** Images a second since the start. */
  readonly rate: number;
  readonly secondsLeft: number | null;
}

export interface EnrolRequest {
  readonly domain: string;
  /** A folder of `<Person>/<image>`, or images in memory. */
  readonly source: string | readonly EnrolImage[];
  /** For a domain that does not exist yet: the bundled engine's space unless given. */
  readonly space?: SpaceName | EmbeddingSpace;
  /** Of an image with several faces, the largest (default) or, as DeepFace does, all under that person. */
  readonly faces?: 'largest' | 'all';
  readonly quality?: Partial<QualityBounds>;
  /** Leave poor faces out instead of only reporting them. */
  readonly skipPoor?: boolean;
  /** Delete the faces of images that are gone from the folder. Otherwise they are only reported. */
  readonly prune?: boolean;
  readonly onProgress?: (progress: EnrolProgress) => void;
  /** Ends the run: what was committed stays, and the next run goes on from there. */
  readonly signal?: AbortSignal | undefined;
}

export type PoorReason = 'too-small' | 'too-blurred' | 'too-turned';

export interface ImageNote {
  readonly person: string;
  readonly image: string;
}

/** The JSON of `kith enroll`. */
export interface EnrolReport {
  readonly domain: string;
  readonly space: string;
  /** Images seen = new + replaced + unchanged + noFace + unreadable + skipped poor ones. */
  readonly images: number;
  readonly new: number;
  /** Images whose content changed: their old faces gave way to the new ones. */
  readonly replaced: number;
  /** Same hash as at an earlier run, or a migrated image seen for the first time, whose hash is noted now. */
  readonly unchanged: number;
  /** Images whose faces are in the gallery and that the folder no longer holds. */
  readonly removed: readonly ImageNote[];
  /** Of those, how many were deleted (`prune`). */
  readonly pruned: number;
  /** Faces written by this run. */
  readonly faces: number;
  /** Persons with a face from this source. */
  readonly persons: number;
  readonly noFace: readonly ImageNote[];
  readonly severalFaces: readonly (ImageNote & { readonly faces: number; readonly enrolled: number })[];
  readonly poor: readonly (ImageNote & {
    readonly reasons: readonly PoorReason[];
    readonly size: number;
    readonly sharpness: number;
    readonly turn: number;
    readonly enrolled: boolean;
  })[];
  readonly unreadable: readonly (ImageNote & { readonly code: string; readonly message: string })[];
  readonly seconds: number;
}
