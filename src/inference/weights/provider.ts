import { KithError } from '../../errors.js';

/**
 * What a weight is for. The names are ours; each source of weights maps them to its own:
 * `kernel` a convolution or dense kernel, `depthwise` and `pointwise` the two of a separable convolution,
 * `gamma`, `beta`, `mean`, `variance` a batch norm, `scale` and `offset` a per-channel affine, `alpha` a PReLU's slope.
 */
export type WeightKind =
  | 'kernel'
  | 'depthwise'
  | 'pointwise'
  | 'bias'
  | 'gamma'
  | 'beta'
  | 'mean'
  | 'variance'
  | 'scale'
  | 'offset'
  | 'alpha'
  | 'constant';

/**
 * The one way that networks get their weights: `W('conv1', 'kernel', [3, 3, 64, 128])` gives the float32 values,
 * row-major, in the source's own layout (TensorFlow's: height, width, in, out). Throws `weights-layer` when the source
 * has no such layer and `weights-shape` when it has another shape.
 */
export type WeightProvider = (layer: string, kind: WeightKind, shape: readonly number[]) => Float32Array;

/** Throws `weights-shape` unless the shapes are equal. */
export function assertShape(
  source: string,
  layer: string,
  given: readonly number[],
  expected: readonly number[],
): void {
  if (given.length !== expected.length || given.some((size, i) => size !== expected[i]))
    throw new KithError('weights-shape', {
      source,
      layer,
      given: `[${given.join(', ')}]`,
      expected: `[${expected.join(', ')}]`,
    });
}
