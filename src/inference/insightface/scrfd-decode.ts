import type { Point } from '../../face/face.js';
import { SCRFD_SIDE } from './scrfd-input.js';

/** A detection in pixels of the photo. */
export interface ScrfdFace {
  readonly score: number;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /** Eyes, nose, corners of the mouth; left first as seen. */
  readonly points: readonly Point[];
}

export const SCRFD_STRIDES = [8, 16, 32] as const;
/** Anchors at each place. */
export const SCRFD_ANCHORS = 2;
const THRESHOLD = 0.5;
const OVERLAP = 0.4;

/** Predictions of one stride: per anchor one score, four distances to the sides, ten to the points; in strides. */
export interface ScrfdLevel {
  readonly stride: number;
  readonly scores: Float32Array;
  readonly boxes: Float32Array;
  readonly points: Float32Array;
}

/** Anchors of one stride in a square of 640. */
export const anchorsOf = (stride: number): number => (SCRFD_SIDE / stride) ** 2 * SCRFD_ANCHORS;

/**
 * SCRFD's outputs → faces, best first (insightface, model_zoo/scrfd.py): distances from anchor centres, scores of at
 * least 0.5, non-maximum suppression at 0.4 with the extra pixel that is counted there.
 */
export function decodeScrfd(levels: readonly ScrfdLevel[], scale: number): ScrfdFace[] {
  const candidates = levels.flatMap((level) => decodeLevel(level, scale)).sort((one, other) => other.score - one.score);
  const kept: ScrfdFace[] = [];
  for (const candidate of candidates)
    if (kept.every((other) => overlap(other, candidate) <= OVERLAP)) kept.push(candidate);
  return kept;
}

function decodeLevel({ stride, scores, boxes, points }: ScrfdLevel, scale: number): ScrfdFace[] {
  const faces: ScrfdFace[] = [];
  const places = SCRFD_SIDE / stride;
  for (let i = 0; i < anchorsOf(stride); i++) {
    if (!(scores[i]! >= THRESHOLD)) continue;
    const place = Math.floor(i / SCRFD_ANCHORS);
    const [x, y] = [(place % places) * stride, Math.floor(place / places) * stride];
    const side = (at: number): number => boxes[i * 4 + at]! * stride;
    faces.push({
      score: scores[i]!,
      left: (x - side(0)) / scale,
      top: (y - side(1)) / scale,
      right: (x + side(2)) / scale,
      bottom: (y + side(3)) / scale,
      points: Array.from({ length: 5 }, (_, at): Point => {
        const from = i * 10 + 2 * at;
        return [(x + points[from]! * stride) / scale, (y + points[from + 1]! * stride) / scale];
      }),
    });
  }
  return faces;
}

function overlap(a: ScrfdFace, b: ScrfdFace): number {
  const area = (face: ScrfdFace): number => (face.right - face.left + 1) * (face.bottom - face.top + 1);
  const width = Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left) + 1);
  const height = Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) + 1);
  return (width * height) / (area(a) + area(b) - width * height);
}
