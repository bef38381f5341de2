import type { Attribute, GraphBuilder, Value } from '../graph-builder.js';
import { outputsFirst } from './kernel-layout.js';

/** A convolution's weights in TensorFlow's layout: height × width × in × out (× in × 1 for a depthwise one). */
export interface Kernel {
  readonly values: Float32Array;
  readonly size: number;
  readonly channelsIn: number;
  readonly channelsOut: number;
}

export interface Convolution {
  readonly kernel: Kernel;
  readonly bias: Float32Array | null;
  readonly stride?: number;
  /** TensorFlow's: `same` pads so that the output is ⌈input / stride⌉, the odd pixel at the bottom and right. */
  readonly padding?: 'same' | 'valid';
}

const geometry = (size: number, { stride = 1, padding = 'same' }: Partial<Convolution>): Record<string, Attribute> => ({
  kernel_shape: [size, size],
  strides: [stride, stride],
  ...(padding === 'same' ? { auto_pad: 'SAME_UPPER' } : {}),
});

/** A convolution over `x` (batch, channels, height, width). */
export function convolve(g: GraphBuilder, x: Value, layer: Convolution): Value {
  const { kernel, bias } = layer;
  const { size, channelsIn, channelsOut } = kernel;
  const weights = g.constant(outputsFirst(kernel.values, { area: size * size, from: channelsIn, to: channelsOut }), [
    channelsOut,
    channelsIn,
    size,
    size,
  ]);
  const inputs = bias === null ? [x, weights] : [x, weights, g.constant(bias, [channelsOut])];
  return g.node('Conv', inputs, geometry(size, layer));
}

/** A depthwise convolution (one filter a channel): the kernel's `channelsOut` is 1. */
export function convolveDepthwise(g: GraphBuilder, x: Value, layer: Convolution): Value {
  const { kernel, bias } = layer;
  const { size, channelsIn } = kernel;
  const weights = g.constant(channelsFirst(kernel), [channelsIn, 1, size, size]);
  const inputs = bias === null ? [x, weights] : [x, weights, g.constant(bias, [channelsIn])];
  return g.node('Conv', inputs, { ...geometry(size, layer), group: channelsIn });
}

/** height, width, channels, 1 → channels, 1, height, width. */
function channelsFirst({ values, size, channelsIn }: Kernel): Float32Array {
  return outputsFirst(values, { area: size * size, from: 1, to: channelsIn });
}

/**
 * A per-channel affine `y · scale + offset` after a layer, folded into it; the channel is the kernel's last axis, or
 * the one before it where the last is 1 (depthwise). Equal up to float32 rounding.
 */
export function foldAffine(
  kernel: Kernel,
  bias: Float32Array | null,
  scale: Float32Array,
  offset: Float32Array,
): { kernel: Kernel; bias: Float32Array } {
  const channels = scale.length;
  const values = new Float32Array(kernel.values.length);
  for (let start = 0; start < values.length; start += channels)
    for (let channel = 0; channel < channels; channel++)
      values[start + channel] = kernel.values[start + channel]! * scale[channel]!;
  return { kernel: { ...kernel, values }, bias: offset.map((value, i) => value + (bias?.[i] ?? 0) * scale[i]!) };
}

/** Batch norm as an affine: `gamma · (y − mean) / √(variance + ε) + beta`. */
export function batchNormAffine(
  norm: { gamma: Float32Array; beta: Float32Array; mean: Float32Array; variance: Float32Array },
  epsilon: number,
): { scale: Float32Array; offset: Float32Array } {
  const scale = norm.gamma.map((gamma, i) => gamma / Math.sqrt(norm.variance[i]! + epsilon));
  return { scale, offset: norm.beta.map((beta, i) => beta - norm.mean[i]! * scale[i]!) };
}
