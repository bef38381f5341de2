// Weights from a seed, bit for bit those of oracle/seeded.py: see there for the arithmetic and why it is so plain.
import type { WeightKind, WeightProvider } from '#kith/inference/weights/provider.js';

const SQRT3 = 1.7320508075688772;
const GOLDEN = 0x9e3779b9;

/** 32-bit FNV-1a of the text's UTF-8 bytes. */
export function fnv1a(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

/** The "lowbias32" integer hash. */
export function mix(counter: number): number {
  let x = counter ^ (counter >>> 16);
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Value `i` of the stream that starts at `start`: mean 0, variance 1. */
function normal(start: number, i: number): number {
  const counter = (Math.imul(Math.imul(i, 2), GOLDEN) + start) | 0;
  const first = mix(counter);
  const second = mix((counter + GOLDEN) | 0);
  const total = (first & 0xffff) + (first >>> 16) + (second & 0xffff) + (second >>> 16);
  return ((total - 131070) / 65536) * SQRT3;
}

// Keras' own words for what our provider calls mean and variance.
const KERAS_KIND: Partial<Record<WeightKind, string>> = { mean: 'moving_mean', variance: 'moving_variance' };

function shape1(kind: WeightKind, shape: readonly number[], gain: number): (value: number) => number {
  switch (kind) {
    case 'kernel': {
      const scale = Math.sqrt(gain / shape.slice(0, -1).reduce((a, b) => a * b, 1));
      return (value) => value * scale;
    }
    case 'gamma':
      return (value) => 1 + 0.1 * value;
    case 'variance':
      return (value) => 1 + 0.2 * Math.abs(value);
    case 'alpha':
      return (value) => 0.25 + 0.05 * value;
    default:
      return (value) => 0.1 * value;
  }
}

export interface SeededModel {
  readonly seed: number;
  /** arcface, retinaface, facenet512 or vggface. */
  readonly model: string;
  /** Variance of the kernels times the fan-in (meta.json's `gain`). */
  readonly gain: number;
  /** Factors of RetinaFace's heads, by the start of the layer's name (meta.json's `headScale`). */
  readonly headScale?: Readonly<Record<string, number>>;
  /** Added to the "face" biases of the scores of strides 32, 16 and 8 (a reference's `scoreShifts`). */
  readonly scoreShifts?: readonly number[];
}

const STRIDES = [32, 16, 8];

/** The provider of one seeded model. */
export function seededWeights({ seed, model, gain, headScale = {}, scoreShifts }: SeededModel): WeightProvider {
  return (layer, kind, shape) => {
    const start = fnv1a(`${seed}/${model}/${layer}/${KERAS_KIND[kind] ?? kind}`);
    const place = shape1(kind, shape, gain);
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < values.length; i++) values[i] = place(normal(start, i));
    if (kind === 'kernel')
      for (const [head, scale] of Object.entries(headScale))
        if (layer.startsWith(head)) for (let i = 0; i < values.length; i++) values[i]! *= scale;
    const stride = /^face_rpn_cls_score_stride(\d+)$/.exec(layer)?.[1];
    if (kind === 'bias' && stride !== undefined && scoreShifts !== undefined) {
      const shift = Math.fround(scoreShifts[STRIDES.indexOf(Number(stride))]!);
      for (const i of [2, 3]) values[i]! += shift;
    }
    return values;
  };
}
