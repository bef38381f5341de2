import type { Pixels } from '../photo/photo.js';
import type { Box } from './face.js';

export interface SquareSample {
  /** Side of the square that comes out, pixels. */
  readonly side: number;
  /** Where a crop that is not square gets its black border: on both sides, or only at the bottom or right. */
  readonly border: 'both' | 'end';
  /** Subtracted from each channel (red, green, blue), then multiplied. */
  readonly mean: readonly [number, number, number];
  readonly scale: number;
}

/** For each output position: the two source positions and their weights, 0 in the border. */
interface Taps {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly firstWeight: Float64Array;
  readonly secondWeight: Float64Array;
}

/**
 * Scales a crop (whole pixels, inside the photo) to a square as TensorFlow.js does with `alignCorners` and
 * `halfPixelCenters` off, which is what face-api's nets were tuned on: output i looks at i · length / side.
 * Writes the three channels one after the other (planar) into `into`, from `offset`.
 */
export function sampleSquare(photo: Pixels, crop: Box, sample: SquareSample, into: Float32Array, offset: number): void {
  const { side, border } = sample;
  const length = Math.max(crop.width, crop.height);
  const before = (size: number): number => (border === 'both' ? Math.floor((length - size) / 2) : 0);
  const columns = planTaps(side, length, crop.width, before(crop.width), crop.x, 3);
  const rows = planTaps(side, length, crop.height, before(crop.height), crop.y, photo.width * 3);
  for (let channel = 0; channel < 3; channel++) {
    const plane = into.subarray(offset + channel * side * side, offset + (channel + 1) * side * side);
    samplePlane(photo.pixels, columns, rows, channel, sample, plane);
  }
}

function planTaps(side: number, length: number, size: number, before: number, start: number, stride: number): Taps {
  const taps: Taps = {
    first: new Int32Array(side),
    second: new Int32Array(side),
    firstWeight: new Float64Array(side),
    secondWeight: new Float64Array(side),
  };
  for (let i = 0; i < side; i++) {
    const at = (i * length) / side;
    const low = Math.floor(at);
    const high = Math.min(length - 1, low + 1);
    const inside = (place: number): boolean => place - before >= 0 && place - before < size;
    taps.first[i] = (start + Math.max(0, Math.min(size - 1, low - before))) * stride;
    taps.second[i] = (start + Math.max(0, Math.min(size - 1, high - before))) * stride;
    taps.firstWeight[i] = inside(low) ? 1 - (at - low) : 0;
    taps.secondWeight[i] = inside(high) ? at - low : 0;
  }
  return taps;
}

function samplePlane(
  pixels: Uint8Array,
  columns: Taps,
  rows: Taps,
  channel: number,
  { side, mean, scale }: SquareSample,
  plane: Float32Array,
): void {
  const { first, second, firstWeight, secondWeight } = columns;
  const black = -mean[channel]! * scale;
  for (let y = 0; y < side; y++) {
    const top = rows.first[y]! + channel;
    const bottom = rows.second[y]! + channel;
    const topWeight = rows.firstWeight[y]! * scale;
    const bottomWeight = rows.secondWeight[y]! * scale;
    const line = y * side;
    if (topWeight === 0 && bottomWeight === 0) {
      plane.fill(black, line, line + side);
      continue;
    }
    for (let x = 0; x < side; x++) {
      const left = first[x]!;
      const right = second[x]!;
      const leftWeight = firstWeight[x]!;
      const rightWeight = secondWeight[x]!;
      plane[line + x] =
        topWeight * (leftWeight * pixels[top + left]! + rightWeight * pixels[top + right]!) +
        bottomWeight * (leftWeight * pixels[bottom + left]! + rightWeight * pixels[bottom + right]!) +
        black;
    }
  }
}
