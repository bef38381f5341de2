/** A person returned for a probe, with the best of its faces. */
export interface Candidate {
  readonly person: { readonly id: string; readonly name: string };
  /** In the metric of the domain's space; ascending over a list of candidates. */
  readonly distance: number;
  /** 1 − distance. */
  readonly similarity: number;
  /** DeepFace's calibrated 0–100, or null where the space has no calibration. */
  readonly confidence: number | null;
  /** The image as it was enrolled, without the `#face=N` under which a further face of one image is stored. */
  readonly imagePath: string;
  /** 1 for the first or only face of the image. */
  readonly faceNumber: number;
}
