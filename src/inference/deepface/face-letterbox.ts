import type { ChannelOrder } from '../../embedding/space.js';
import type { CropReader } from './face-crop.js';
import { linearTaps } from './linear-resize.js';

/** A face as a recognition network takes it: square, channels first, 0–1. */
export interface Letterbox {
  readonly size: number;
  /** 3 · size · size, in the order asked for. */
  readonly data: Float32Array;
}

/** The part of the square that the scaled crop covers. */
export interface Placement {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly top: number;
}

/** `resize_image` of deepface/modules/preprocessing.py: as large as fits, in the middle, black around. `null`: too thin to scale. */
export function letterboxPlacement(width: number, height: number, size: number): Placement | null {
  if (width === 0 || height === 0) return null;
  const factor = Math.min(size / height, size / width);
  const scaledWidth = Math.trunc(width * factor);
  const scaledHeight = Math.trunc(height * factor);
  if (scaledWidth === 0 || scaledHeight === 0) return null;
  return {
    width: scaledWidth,
    height: scaledHeight,
    left: Math.floor((size - scaledWidth) / 2),
    top: Math.floor((size - scaledHeight) / 2),
  };
}

/**
 * The crop scaled to `size` × `size`. DeepFace divides by 255 first and scales doubles (cv2.resize, INTER_LINEAR, no
 * averaging when it shrinks). Only the pixels that the scaling looks at are read. `null` where the crop is too thin.
 */
export function letterbox(crop: CropReader, size: number, order: ChannelOrder): Letterbox | null {
  const placement = letterboxPlacement(crop.width, crop.height, size);
  if (placement === null) return null;
  const columns = linearTaps(crop.width, placement.width, 1 / (placement.width / crop.width));
  const rows = linearTaps(crop.height, placement.height, 1 / (placement.height / crop.height));
  const wanted = new Int32Array(2 * placement.width);
  for (let x = 0; x < placement.width; x++) wanted.set([columns.first[x]!, columns.second[x]!], 2 * x);
  const lines = new ScaledLines(crop, wanted, columns.weight);
  const data = new Float32Array(3 * size * size);
  for (let y = 0; y < placement.height; y++) {
    const upper = lines.of(rows.first[y]!);
    const lower = lines.of(rows.second[y]!);
    const weight = rows.weight[y]!;
    const start = (placement.top + y) * size + placement.left;
    for (let i = 0; i < upper.length; i++) {
      const channel = order === 'rgb' ? i % 3 : 2 - (i % 3);
      const value = upper[i]! * Math.fround(1 - weight) + lower[i]! * weight;
      data[channel * size * size + start + Math.floor(i / 3)] = value;
    }
  }
  return { size, data };
}

/** Lines of the crop at the target's width, the last two kept. */
class ScaledLines {
  readonly #crop: CropReader;
  readonly #columns: Int32Array;
  readonly #weights: Float32Array;
  readonly #bytes: Uint8Array;
  readonly #kept: { row: number; line: Float64Array }[];

  constructor(crop: CropReader, columns: Int32Array, weights: Float32Array) {
    this.#crop = crop;
    this.#columns = columns;
    this.#weights = weights;
    this.#bytes = new Uint8Array(3 * columns.length);
    this.#kept = [0, 1].map(() => ({ row: -1, line: new Float64Array(3 * weights.length) }));
  }

  of(row: number): Float64Array {
    const known = this.#kept.find((entry) => entry.row === row);
    if (known !== undefined) return known.line;
    const oldest = this.#kept.shift()!;
    oldest.row = row;
    this.#crop.readLine(row, this.#columns, this.#bytes);
    for (let x = 0; x < this.#weights.length; x++) {
      const weight = this.#weights[x]!;
      for (let channel = 0; channel < 3; channel++) {
        const left = this.#bytes[6 * x + channel]! / 255;
        const right = this.#bytes[6 * x + 3 + channel]! / 255;
        oldest.line[3 * x + channel] = left * Math.fround(1 - weight) + right * weight;
      }
    }
    this.#kept.push(oldest);
    return oldest.line;
  }
}
