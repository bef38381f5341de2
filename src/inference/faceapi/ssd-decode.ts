import type { Box } from '../../face/face.js';
import { SSD_ANCHORS, SSD_SIDE } from '../networks/faceapi/ssd-mobilenet.js';

export interface FoundBox {
  readonly box: Box;
  readonly score: number;
}

/** top, left, bottom, right as fractions of the detector's square. */
type Corners = readonly [number, number, number, number];

const OVERLAP = 0.5;
const MOST_FACES = 100;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/**
 * The detector's two outputs for one photo → boxes in pixels of the photo, best first: face-api's outputLayer,
 * nonMaxSuppression and locateFaces. As there, a box may reach over the right and bottom edge of the photo.
 * @param anchors 5118 × (top, left, bottom, right)
 */
export function decodeSsd(
  boxes: Float32Array,
  scores: Float32Array,
  anchors: Float32Array,
  photo: { readonly width: number; readonly height: number },
  minConfidence: number,
): FoundBox[] {
  const candidates: { corners: Corners; score: number }[] = [];
  for (let i = 0; i < SSD_ANCHORS; i++) {
    const score = sigmoid(scores[i]!);
    if (score > minConfidence) candidates.push({ corners: decodeCorners(boxes, anchors, i * 4), score });
  }
  const kept: { corners: Corners; score: number }[] = [];
  for (const candidate of candidates.sort((a, b) => b.score - a.score)) {
    if (kept.length >= MOST_FACES) break;
    if (kept.every((other) => overlap(candidate.corners, other.corners) <= OVERLAP)) kept.push(candidate);
  }
  return kept.map(({ corners, score }) => ({ box: toPixels(corners, photo), score }));
}

function decodeCorners(boxes: Float32Array, anchors: Float32Array, at: number): Corners {
  const height = anchors[at + 2]! - anchors[at]!;
  const width = anchors[at + 3]! - anchors[at + 1]!;
  const centreY = (boxes[at]! / 10) * height + anchors[at]! + height / 2;
  const centreX = (boxes[at + 1]! / 10) * width + anchors[at + 1]! + width / 2;
  const halfHeight = (Math.exp(boxes[at + 2]! / 5) * height) / 2;
  const halfWidth = (Math.exp(boxes[at + 3]! / 5) * width) / 2;
  return [centreY - halfHeight, centreX - halfWidth, centreY + halfHeight, centreX + halfWidth];
}

function overlap(a: Corners, b: Corners): number {
  const height = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const width = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (height <= 0 || width <= 0) return 0;
  const area = (c: Corners): number => (c[2] - c[0]) * (c[3] - c[1]);
  return (height * width) / (area(a) + area(b) - height * width);
}

function toPixels([top, left, bottom, right]: Corners, photo: { width: number; height: number }): Box {
  // The photo fills the square up to whole pixels, so its share of the square is a rounded one.
  const scale = SSD_SIDE / Math.max(photo.width, photo.height);
  const stretchX = (SSD_SIDE / Math.round(photo.width * scale)) * photo.width;
  const stretchY = (SSD_SIDE / Math.round(photo.height * scale)) * photo.height;
  const x = Math.max(0, left) * stretchX;
  const y = Math.max(0, top) * stretchY;
  return { x, y, width: Math.min(1, right) * stretchX - x, height: Math.min(1, bottom) * stretchY - y };
}
