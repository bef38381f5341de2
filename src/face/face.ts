/** Pixels of the upright photo, from its top left corner; fractions are kept. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export type Point = readonly [x: number, y: number];

export interface FaceQuality {
  /** Shorter side of the box, pixels. */
  readonly size: number;
  /** Variance of the Laplacian over the box scaled to 112 × 112 grey levels; below about 10 the embedding drifts (docs/decisions/0010). */
  readonly sharpness: number;
  /** 0 frontal … 1 profile, from the landmarks; NaN never. */
  readonly turn: number;
}

export interface DetectedFace {
  readonly box: Box;
  /** The detector's score, 0 … 1. */
  readonly confidence: number;
  /** In pixels of the photo: 68 (dlib's order) or 5 (eyes, nose, corners of the mouth; left first as seen), by detector. */
  readonly landmarks: readonly Point[];
  readonly quality: FaceQuality;
}
