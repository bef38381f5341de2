import type { Pixels } from '../../photo/photo.js';
import { type LinearTaps, linearTaps, roundHalfEven } from './linear-resize.js';

/** How large a photo is made for RetinaFace: its shorter side, unless the longer one would pass `longest`. Pixels. */
export interface DetectionScale {
  readonly shortest: number;
  readonly longest: number;
}

/** retinaface/commons/preprocess.py: scales = [1024, 1980]. */
export const RETINAFACE_SCALE: DetectionScale = Object.freeze({ shortest: 1024, longest: 1980 });

export interface RetinaFaceInput {
  /** RGB 0–255, channels first: 3 · height · width. */
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
  /** Pixels of the input per pixel of the bordered photo. */
  readonly scale: number;
  /** The input's pixels that the photo reaches; all others are the black border. */
  readonly photo: { readonly top: number; readonly left: number; readonly bottom: number; readonly right: number };
}

/** Black pixels that DeepFace lays around a photo on each side before it looks for faces. */
export interface Border {
  readonly x: number;
  readonly y: number;
}

/** Half the photo on every side where faces are aligned, so that a rotation cannot push one outside (detection.py). */
export function borderOf(photo: Pixels, aligned: boolean): Border {
  return aligned ? { x: Math.trunc(0.5 * photo.width), y: Math.trunc(0.5 * photo.height) } : { x: 0, y: 0 };
}

/** `resize_image` of retinaface/commons/preprocess.py, upscaling allowed: pixels of the input per pixel given. */
export function detectionFactor(width: number, height: number, { shortest, longest }: DetectionScale): number {
  const factor = shortest / Math.min(width, height);
  const side = Math.max(width, height);
  return roundHalfEven(factor * side) > longest ? longest / side : factor;
}

/** The memory of one input, used for the next one too: up to 24 MB a photo are slow to be noticed as garbage. */
export class InputMemory {
  #values = new Float32Array(0);

  /** The same values as last time, at this length and 0. */
  zeros(length: number): Float32Array {
    if (this.#values.length < length) this.#values = new Float32Array(length);
    return this.#values.subarray(0, length).fill(0);
  }
}

// OpenCV's fixed point for 8-bit pixels: 11 bits a coefficient.
const COEFFICIENT = 2048;

/**
 * The bordered photo, scaled as RetinaFace scales it: bit for bit what cv2.resize(INTER_LINEAR) makes of 8-bit pixels.
 * The border is never made: its pixels are known to be black.
 */
export function retinaFaceInput(
  photo: Pixels,
  border: Border,
  limits: DetectionScale,
  memory: InputMemory = new InputMemory(),
): RetinaFaceInput {
  const full = { width: photo.width + 2 * border.x, height: photo.height + 2 * border.y };
  const scale = detectionFactor(full.width, full.height, limits);
  // A photo a thousand times as wide as high would have no line left; DeepFace fails on it, here it keeps one.
  const width = Math.max(1, roundHalfEven(full.width * scale));
  const height = Math.max(1, roundHalfEven(full.height * scale));
  const data = memory.zeros(3 * width * height);
  const step = 1 / scale;
  const columns = linearTaps(full.width, width, step);
  const rows = linearTaps(full.height, height, step);
  const lines = new ScaledLines(photo, border, columns, width);
  const plane = width * height;
  for (let y = 0; y < height; y++) {
    const upper = lines.of(rows.first[y]!);
    const lower = lines.of(rows.second[y]!);
    if (upper === null && lower === null) continue;
    blendLines(data, y * width, plane, width, upper, lower, rows.weight[y]!);
  }
  const [top, bottom] = reached(rows, border.y, photo.height);
  const [left, right] = reached(columns, border.x, photo.width);
  return { data, width, height, scale, photo: { top, left, bottom, right } };
}

/** The first target position whose value a stretch of the source takes part in, and the one behind the last. */
function reached({ first, second }: LinearTaps, start: number, length: number): [from: number, to: number] {
  const inside = (source: number): boolean => source >= start && source < start + length;
  const touched = (_: number, target: number): boolean => inside(first[target]!) || inside(second[target]!);
  return [first.findIndex(touched), first.findLastIndex(touched) + 1];
}

/** VResizeLinear for 8-bit pixels: dst = ((b0·(S0 >> 4)) >> 16 + (b1·(S1 >> 4)) >> 16 + 2) >> 2. */
function blendLines(
  data: Float32Array,
  start: number,
  plane: number,
  width: number,
  upper: Int32Array | null,
  lower: Int32Array | null,
  weight: number,
): void {
  const low = roundHalfEven(Math.fround(weight) * COEFFICIENT);
  const high = roundHalfEven(Math.fround(1 - weight) * COEFFICIENT);
  for (let x = 0, i = 0; x < width; x++)
    for (let channel = 0; channel < 3; channel++, i++) {
      const a = upper === null ? 0 : (high * (upper[i]! >> 4)) >> 16;
      const b = lower === null ? 0 : (low * (lower[i]! >> 4)) >> 16;
      data[channel * plane + start + x] = (a + b + 2) >> 2;
    }
}

/** Source lines scaled to the target's width, the last two kept, since neighbouring target lines share them. */
class ScaledLines {
  readonly #photo: Pixels;
  readonly #border: Border;
  readonly #taps: LinearTaps;
  readonly #low: Int32Array;
  readonly #high: Int32Array;
  readonly #kept: { row: number; line: Int32Array }[];

  constructor(photo: Pixels, border: Border, taps: LinearTaps, width: number) {
    this.#photo = photo;
    this.#border = border;
    this.#taps = taps;
    this.#low = Int32Array.from(taps.weight, (weight) => roundHalfEven(weight * COEFFICIENT));
    this.#high = Int32Array.from(taps.weight, (weight) => roundHalfEven(Math.fround(1 - weight) * COEFFICIENT));
    this.#kept = [0, 1].map(() => ({ row: -1, line: new Int32Array(width * 3) }));
  }

  /** A line of the bordered photo, or `null` where it is all border. */
  of(borderedRow: number): Int32Array | null {
    const row = borderedRow - this.#border.y;
    if (row < 0 || row >= this.#photo.height) return null;
    const known = this.#kept.find((entry) => entry.row === row);
    if (known !== undefined) return known.line;
    const oldest = this.#kept.shift()!;
    oldest.row = row;
    this.#scale(row, oldest.line);
    this.#kept.push(oldest);
    return oldest.line;
  }

  #scale(row: number, line: Int32Array): void {
    const { width, pixels } = this.#photo;
    const { first, second } = this.#taps;
    const start = row * width;
    for (let x = 0, i = 0; x < first.length; x++, i += 3) {
      const left = first[x]! - this.#border.x;
      const right = second[x]! - this.#border.x;
      const leftInside = left >= 0 && left < width;
      const rightInside = right >= 0 && right < width;
      const high = this.#high[x]!;
      const low = this.#low[x]!;
      for (let channel = 0; channel < 3; channel++) {
        const a = leftInside ? pixels[(start + left) * 3 + channel]! : 0;
        const b = rightInside ? pixels[(start + right) * 3 + channel]! : 0;
        line[i + channel] = a * high + b * low;
      }
    }
  }
}
