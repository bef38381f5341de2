import { type Embedding, embedding } from '#kith/embedding/embedding.js';
import { type EmbeddingSpace, parseSpaceName, spaceFromName } from '#kith/embedding/space.js';

export const ARCFACE: EmbeddingSpace = spaceFromName(
  parseSpaceName('model_arcface_detector_retinaface_aligned_normalization_base_expand_0'),
  512,
);
export const FACENET512: EmbeddingSpace = { ...ARCFACE, model: 'facenet512' };
export const FACENET: EmbeddingSpace = { ...ARCFACE, model: 'facenet', dimensions: 128 };
export const VGG: EmbeddingSpace = { ...ARCFACE, model: 'vggface', dimensions: 4096 };

/** Numbers from a seed, the same on every machine: uniform in [0, 1) and normal. */
export function seeded(seed: number): { uniform(): number; normal(): number } {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

/** A vector with given leading values and zeros behind. */
export function vectorOf(dimensions: number, ...leading: number[]): Float32Array {
  const values = new Float32Array(dimensions);
  values.set(leading);
  return values;
}

/** A random vector of length 1. */
export function randomVector(dimensions: number, normal: () => number): Float32Array {
  const values = Float32Array.from({ length: dimensions }, normal);
  const norm = Math.hypot(...values);
  return values.map((value) => value / norm);
}

/** `base` turned away by noise so that the cosine distance between the two is about `distance`. */
export function nearby(base: Float32Array, distance: number, normal: () => number): Float32Array {
  const cosine = 1 - distance;
  const noise = randomVector(base.length, normal);
  const sine = Math.sqrt(1 - cosine * cosine);
  return base.map((value, index) => cosine * value + sine * noise[index]!);
}

export const inSpace = (space: EmbeddingSpace, values: Float32Array): Embedding => embedding(values, space);
