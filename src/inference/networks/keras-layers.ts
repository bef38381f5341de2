import { float, type GraphBuilder, type Value } from '../graph-builder.js';
import type { WeightProvider } from '../weights/provider.js';
import { outputsFirst } from './kernel-layout.js';

/** A batch norm behind a convolution: its layer, and whether it scales (has a gamma). */
export interface KerasNorm {
  readonly layer: string;
  readonly epsilon: number;
  readonly scale?: boolean;
}

export interface KerasConvolution {
  readonly from: number;
  readonly to: number;
  readonly kernel: readonly [height: number, width: number];
  readonly stride?: number;
  /** Zero pixels on every side, or TensorFlow's "same". Default none ("valid"). */
  readonly pad?: number | 'same';
  readonly bias?: boolean;
  /** Folded into the kernel. */
  readonly norm?: KerasNorm;
  /** Multiplies what comes out. */
  readonly times?: number;
}

interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/**
 * Keras layers as ONNX operators, channels first. Kernels are transposed from Keras' (height, width, in, out) and a
 * batch norm that follows is folded into them in double precision, rounded once.
 */
export class KerasLayers {
  readonly graph: GraphBuilder;
  readonly weights: WeightProvider;

  constructor(graph: GraphBuilder, weights: WeightProvider) {
    this.graph = graph;
    this.weights = weights;
  }

  convolution(x: Value, layer: string, shape: KerasConvolution): Value {
    const { from, to, kernel, stride = 1, pad = 0, bias = false, norm, times = 1 } = shape;
    const values = this.weights(layer, 'kernel', [...kernel, from, to]);
    const added = bias ? this.weights(layer, 'bias', [to]) : null;
    const affine = norm === undefined ? null : this.#affine(norm, to);
    const scale = Float64Array.from({ length: to }, (_, i) => (affine?.scale[i] ?? 1) * times);
    const hasBias = affine !== null || added !== null;
    const shift = Float32Array.from(
      { length: to },
      (_, i) => ((affine?.shift[i] ?? 0) + (added?.[i] ?? 0) * (affine?.scale[i] ?? 1)) * times,
    );
    return this.convolutionOf(x, values, hasBias ? shift : null, { from, to, kernel, stride, pad, scale });
  }

  /** A convolution with weights at hand: `values` are Keras' (height, width, in, out), `scale` multiplies each output. */
  convolutionOf(
    x: Value,
    values: Float32Array,
    bias: Float32Array | null,
    shape: Required<Pick<KerasConvolution, 'from' | 'to' | 'kernel' | 'stride' | 'pad'>> & {
      readonly scale?: Float64Array;
    },
  ): Value {
    const { from, to, kernel, stride, pad, scale } = shape;
    const g = this.graph;
    const w = g.constant(outputsFirst(values, { area: kernel[0] * kernel[1], from, to }, { to: scale }), [
      to,
      from,
      ...kernel,
    ]);
    const inputs = bias === null ? [x, w] : [x, w, g.constant(bias, [to])];
    const padding = pad === 'same' ? { auto_pad: 'SAME_UPPER' } : { pads: [pad, pad, pad, pad] };
    return g.node('Conv', inputs, { kernel_shape: [...kernel], strides: [stride, stride], ...padding });
  }

  /** A batch norm that stands where it cannot be folded (before a zero padding or a ReLU). */
  norm(x: Value, { layer, epsilon, scale = true }: KerasNorm, channels: number): Value {
    const g = this.graph;
    const gamma = scale ? this.weights(layer, 'gamma', [channels]) : new Float32Array(channels).fill(1);
    const rest = (['beta', 'mean', 'variance'] as const).map((kind) => this.weights(layer, kind, [channels]));
    const inputs = [gamma, ...rest].map((values) => g.constant(values, [channels]));
    return g.node('BatchNormalization', [x, ...inputs], { epsilon: float(epsilon) });
  }

  /** A batch norm as y = scale · x + shift, in double precision. */
  #affine({ layer, epsilon, scale: scales = true }: KerasNorm, channels: number): Affine {
    const gamma = scales ? this.weights(layer, 'gamma', [channels]) : null;
    const beta = this.weights(layer, 'beta', [channels]);
    const mean = this.weights(layer, 'mean', [channels]);
    const variance = this.weights(layer, 'variance', [channels]);
    const scale = Float64Array.from(variance, (v, i) => (gamma?.[i] ?? 1) / Math.sqrt(v + epsilon));
    return { scale, shift: Float64Array.from(beta, (b, i) => b - mean[i]! * scale[i]!) };
  }

  /** A dense layer over a flattened (height, width, channels) map that lies channels first here; norms on both sides folded in. */
  dense(x: Value, layer: string, shape: KerasDense): Value {
    const { from, to, positions = 1, bias = false, before, after } = shape;
    const inputs = from * positions;
    const kernel = this.weights(layer, 'kernel', [inputs, to]);
    const added = bias ? this.weights(layer, 'bias', [to]) : null;
    const pre = before === undefined ? null : this.#affine(before, from);
    const post = after === undefined ? null : this.#affine(after, to);
    const rows = outputsFirst(kernel, { area: positions, from, to }, { from: pre?.scale, to: post?.scale });
    const shift = new Float64Array(to);
    if (pre !== null)
      for (let i = 0; i < inputs; i++)
        for (let o = 0; o < to; o++) shift[o]! += kernel[i * to + o]! * pre.shift[i % from]!;
    const biases = Float32Array.from(
      shift,
      (s, o) => (s + (added?.[o] ?? 0)) * (post?.scale[o] ?? 1) + (post?.shift[o] ?? 0),
    );
    const g = this.graph;
    return g.node('Gemm', [x, g.constant(rows, [to, inputs]), g.constant(biases, [to])], { transB: 1 });
  }

  relu(x: Value): Value {
    return this.graph.node('Relu', [x]);
  }

  /** A PReLU with a slope per channel. */
  prelu(x: Value, layer: string, channels: number): Value {
    const slope = this.graph.constant(this.weights(layer, 'alpha', [1, 1, channels]), [channels, 1, 1]);
    return this.graph.node('PRelu', [x, slope]);
  }

  maxPool(x: Value, size: number, stride: number, pad = 0): Value {
    return this.graph.node('MaxPool', [x], {
      kernel_shape: [size, size],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
  }

  add(left: Value, right: Value): Value {
    return this.graph.node('Add', [left, right]);
  }

  concat(parts: readonly Value[]): Value {
    return this.graph.node('Concat', parts, { axis: 1 });
  }
}

export interface KerasDense {
  /** Channels that come in; times `positions` when a map was flattened. */
  readonly from: number;
  readonly to: number;
  readonly positions?: number;
  readonly bias?: boolean;
  /** A norm over the channels that come in, and one over what goes out. */
  readonly before?: KerasNorm;
  readonly after?: KerasNorm;
}
