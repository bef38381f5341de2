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

// Each grey value is the mean of 3 × 3 places spread evenly over its cell of the box.
const PLACES = 3;

/** The box scaled to a grey square by averaging, so that a large face's noise does not count as detail. */
function greySquare(photo: Pixels, box: Box): Float32Array {
  const grey = new Float32Array(SIDE * SIDE);
  const columns = spread(box.x, box.width, photo.width, 3);
  const rows = spread(box.y, box.height, photo.height, photo.width * 3);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < SIDE; x++) grey[y * SIDE + x] = meanLuma(photo.pixels, columns, rows, x * PLACES, y * PLACES);
  return grey;
}

function meanLuma(pixels: Uint8Array, columns: Int32Array, rows: Int32Array, x: number, y: number): number {
  let [red, green, blue] = [0, 0, 0];
  for (let row = y; row < y + PLACES; row++)
    for (let column = x; column < x + PLACES; column++) {
      const at = rows[row]! + columns[column]!;
      red += pixels[at]!;
      green += pixels[at + 1]!;
      blue += pixels[at + 2]!;
    }
  // ITU-R BT.601 luma, as OpenCV's grey.
  return (0.299 * red + 0.587 * green + 0.114 * blue) / (PLACES * PLACES);
}

/** Offsets into the pixels of the places along one side; those outside of the photo are moved to its edge. */
const spread = (start: number, length: number, limit: number, stride: number): Int32Array =>
  Int32Array.from({ length: SIDE * PLACES }, (_, i) => {
    const place = Math.floor(start + ((i + 0.5) * length) / (SIDE * PLACES));
    return Math.max(0, Math.min(limit - 1, place)) * stride;
  });

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
