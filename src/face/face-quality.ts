import type { Pixels } from '../photo/photo.js';
import type { Box, FaceQuality, Point } from './face.js';

// Side of the grey square that sharpness is measured on: about what the recognition nets see.
const SIDE = 112;

/** The three points that turn is read from, in pixels of the photo. */
export interface FacePoints {
  readonly leftEye: Point;
  readonly rightEye: Point;
  readonly nose: Point;
}

/** Measures how much a face can be trusted: its size, sharpness and turn. */
export function measureQuality(photo: Pixels, box: Box, points: FacePoints): FaceQuality {
  return {
    size: Math.min(box.width, box.height),
    sharpness: laplacianVariance(greySquare(photo, box)),
    turn: turnOf(points),
  };
}

/**
 * Where the nose's tip stands along the line of the eyes: half-way 0, at an eye or beyond 1.
 * Rolling the head in the picture does not change it.
 */
export function turnOf({ leftEye, rightEye, nose }: FacePoints): number {
  const [dx, dy] = [rightEye[0] - leftEye[0], rightEye[1] - leftEye[1]];
  const squared = dx * dx + dy * dy;
  if (!(squared > 0)) return 1;
  const along = ((nose[0] - leftEye[0]) * dx + (nose[1] - leftEye[1]) * dy) / squared;
  return Math.min(1, Math.abs(along - 0.5) * 2);
}

/** The box scaled to a grey square by averaging, so that a large face's noise does not count as detail. */
function greySquare(photo: Pixels, box: Box): Float32Array {
  const grey = new Float32Array(SIDE * SIDE);
  const clampX = (x: number): number => Math.max(0, Math.min(photo.width - 1, x));
  const clampY = (y: number): number => Math.max(0, Math.min(photo.height - 1, y));
  for (let row = 0; row < SIDE; row++) {
    const top = clampY(Math.floor(box.y + (row * box.height) / SIDE));
    const bottom = Math.max(top, clampY(Math.ceil(box.y + ((row + 1) * box.height) / SIDE) - 1));
    for (let column = 0; column < SIDE; column++) {
      const left = clampX(Math.floor(box.x + (column * box.width) / SIDE));
      const right = Math.max(left, clampX(Math.ceil(box.x + ((column + 1) * box.width) / SIDE) - 1));
      grey[row * SIDE + column] = meanLuma(photo, left, top, right, bottom);
    }
  }
  return grey;
}

// At most 4 × 4 places of a cell are looked at: more changes nothing that matters and costs time on huge faces.
function meanLuma(photo: Pixels, left: number, top: number, right: number, bottom: number): number {
  const stepX = Math.max(1, Math.floor((right - left + 1) / 4));
  const stepY = Math.max(1, Math.floor((bottom - top + 1) / 4));
  let sum = 0;
  let count = 0;
  for (let y = top; y <= bottom; y += stepY)
    for (let x = left; x <= right; x += stepX) {
      const at = (y * photo.width + x) * 3;
      // ITU-R BT.601 luma, as OpenCV's grey.
      sum += 0.299 * photo.pixels[at]! + 0.587 * photo.pixels[at + 1]! + 0.114 * photo.pixels[at + 2]!;
      count += 1;
    }
  return sum / count;
}

/** Variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000), the usual measure of focus. */
function laplacianVariance(grey: Float32Array): number {
  let sum = 0;
  let squares = 0;
  for (let y = 1; y < SIDE - 1; y++)
    for (let x = 1; x < SIDE - 1; x++) {
      const at = y * SIDE + x;
      const value = grey[at - 1]! + grey[at + 1]! + grey[at - SIDE]! + grey[at + SIDE]! - 4 * grey[at]!;
      sum += value;
      squares += value * value;
    }
  const count = (SIDE - 2) * (SIDE - 2);
  return squares / count - (sum / count) ** 2;
}
