import type { Pixels } from '../../photo/photo.js';

/** Side of the square that SCRFD sees; insightface's default. */
export const SCRFD_SIDE = 640;

// OpenCV's 8-bit bilinear resize works in 1/2048.
const COEFFICIENT_BITS = 11;

interface Taps {
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** Weight of `second`, in 1/2048. */
  readonly weight: Int32Array;
}

/**
 * A photo as insightface gives it to SCRFD (model_zoo/scrfd.py): scaled into the top left of a black 640 × 640 square
 * by `cv2.resize`, then (x − 127.5) / 128, red first, channel by channel.
 * `scale` is square pixels per photo pixel, from the heights, as there.
 */
export function scrfdInput(photo: Pixels): { readonly input: Float32Array; readonly scale: number } {
  const ratio = photo.height / photo.width;
  const height = ratio > 1 ? SCRFD_SIDE : Math.max(1, Math.trunc(SCRFD_SIDE * ratio));
  const width = ratio > 1 ? Math.max(1, Math.trunc(SCRFD_SIDE / ratio)) : SCRFD_SIDE;
  const input = new Float32Array(3 * SCRFD_SIDE * SCRFD_SIDE).fill(-127.5 / 128);
  const columns = planTaps(photo.width, width);
  const rows = planTaps(photo.height, height);
  for (let y = 0; y < height; y++)
    for (let channel = 0; channel < 3; channel++) {
      const line = (channel * SCRFD_SIDE + y) * SCRFD_SIDE;
      resizeLine(photo, columns, rows, y, channel, input.subarray(line, line + width));
    }
  return { input, scale: height / photo.height };
}

function planTaps(source: number, target: number): Taps {
  const taps: Taps = { first: new Int32Array(target), second: new Int32Array(target), weight: new Int32Array(target) };
  const step = source / target;
  for (let i = 0; i < target; i++) {
    const position = Math.fround((i + 0.5) * step - 0.5);
    const floor = Math.floor(position);
    const inside = floor >= 0 && floor < source - 1;
    taps.first[i] = Math.max(0, Math.min(source - 1, floor));
    taps.second[i] = taps.first[i]! + (inside ? 1 : 0);
    taps.weight[i] = inside ? Math.round((position - floor) * (1 << COEFFICIENT_BITS)) : 0;
  }
  return taps;
}

function resizeLine(photo: Pixels, columns: Taps, rows: Taps, y: number, channel: number, into: Float32Array): void {
  const { pixels, width } = photo;
  const unit = 1 << COEFFICIENT_BITS;
  const top = rows.first[y]! * width * 3 + channel;
  const bottom = rows.second[y]! * width * 3 + channel;
  const down = rows.weight[y]!;
  for (let x = 0; x < into.length; x++) {
    const left = columns.first[x]! * 3;
    const right = columns.second[x]! * 3;
    const across = columns.weight[x]!;
    const upper = (unit - across) * pixels[top + left]! + across * pixels[top + right]!;
    const lower = (unit - across) * pixels[bottom + left]! + across * pixels[bottom + right]!;
    // resize.cpp, VResizeLinear for 8 bits: its shifts, so that its rounding is met too.
    const value = ((((unit - down) * (upper >> 4)) >> 16) + ((down * (lower >> 4)) >> 16) + 2) >> 2;
    into[x] = (value - 127.5) / 128;
  }
}
