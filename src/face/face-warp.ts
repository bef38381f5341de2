import type { Pixels } from '../photo/photo.js';
import { type Affine, invert } from './face-transform.js';

export interface WarpTarget {
  /** Side of the square that comes out, pixels. */
  readonly side: number;
  /** Written value: (pixel − mean) · scale. */
  readonly mean: number;
  readonly scale: number;
}

// OpenCV's warpAffine: positions in 1/1024 pixel, rounded to 1/32, and what lies outside of the photo is black.
const POSITION_BITS = 10;
const FRACTION_BITS = 5;
const FRACTIONS = 1 << FRACTION_BITS;

/**
 * Cuts a face out along a transform photo → square, as `cv2.warpAffine` does with its default bilinear interpolation,
 * each value rounded to 8 bits before it is scaled. Writes red, green and blue one after the other, from `offset`.
 */
export function warpFace(
  photo: Pixels,
  transform: Affine,
  target: WarpTarget,
  into: Float32Array,
  offset: number,
): void {
  const back = invert(transform);
  const { side, mean, scale } = target;
  const unit = 1 << POSITION_BITS;
  const half = 1 << (POSITION_BITS - FRACTION_BITS - 1);
  for (let y = 0; y < side; y++) {
    const startX = Math.round((back.b * y + back.c) * unit) + half;
    const startY = Math.round((back.e * y + back.f) * unit) + half;
    for (let x = 0; x < side; x++) {
      const atX = (startX + Math.round(back.a * x * unit)) >> (POSITION_BITS - FRACTION_BITS);
      const atY = (startY + Math.round(back.d * x * unit)) >> (POSITION_BITS - FRACTION_BITS);
      for (let channel = 0; channel < 3; channel++)
        into[offset + (channel * side + y) * side + x] = (interpolate(photo, atX, atY, channel) - mean) * scale;
    }
  }
}

/** The pixel at a position in 1/32 pixel, rounded to 8 bits. */
function interpolate(photo: Pixels, atX: number, atY: number, channel: number): number {
  const [x, y] = [atX >> FRACTION_BITS, atY >> FRACTION_BITS];
  const [right, down] = [atX & (FRACTIONS - 1), atY & (FRACTIONS - 1)];
  const top = (FRACTIONS - right) * valueAt(photo, x, y, channel) + right * valueAt(photo, x + 1, y, channel);
  const bottom =
    (FRACTIONS - right) * valueAt(photo, x, y + 1, channel) + right * valueAt(photo, x + 1, y + 1, channel);
  return ((FRACTIONS - down) * top + down * bottom + FRACTIONS * (FRACTIONS / 2)) >> (2 * FRACTION_BITS);
}

const valueAt = ({ width, height, pixels }: Pixels, x: number, y: number, channel: number): number =>
  x < 0 || y < 0 || x >= width || y >= height ? 0 : pixels[(y * width + x) * 3 + channel]!;
