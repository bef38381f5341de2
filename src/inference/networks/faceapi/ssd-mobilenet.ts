import { GraphBuilder, type Value } from '../../graph-builder.js';
import type { WeightProvider } from '../../weights/provider.js';
import { batchNormAffine, convolve, convolveDepthwise, foldAffine, type Kernel } from '../tensorflow-layers.js';

/** Side of the square that the detector sees. */
export const SSD_SIDE = 512;
/** Anchors: 3 at each place of the first feature map, 6 at each of the other five. */
export const SSD_ANCHORS = 5118;

const EPSILON = 0.0010000000474974513;
const TRUNK: readonly (readonly [channelsIn: number, channelsOut: number])[] = [
  [32, 64],
  [64, 128],
  [128, 128],
  [128, 256],
  [256, 256],
  [256, 512],
  [512, 512],
  [512, 512],
  [512, 512],
  [512, 512],
  [512, 512],
  [512, 1024],
  [1024, 1024],
];
const STRIDE_2_AT: ReadonlySet<number> = new Set([2, 4, 6, 12]);
// Kernel size, channels in and out; the 3 × 3 ones have stride 2.
const EXTRA: readonly (readonly [size: number, channelsIn: number, channelsOut: number])[] = [
  [1, 1024, 256],
  [3, 256, 512],
  [1, 512, 128],
  [3, 128, 256],
  [1, 256, 128],
  [3, 128, 256],
  [1, 256, 64],
  [3, 64, 128],
];

/**
 * SSD MobileNet v1 as face-api runs it (ssdMobilenetv1/): `photo` (n, 3, 512, 512), −1 … 1, to `boxes` (n, 5118, 4),
 * encoded against the anchors, and `scores` (n, 5118), before the sigmoid.
 */
export function buildSsdMobilenet(W: WeightProvider): Uint8Array {
  const g = new GraphBuilder('ssd_mobilenetv1');
  const net = new SsdMobilenet(g, W);
  let x = net.pointwise(g.input('photo', 'float32', ['n', 3, SSD_SIDE, SSD_SIDE]), 'MobilenetV1/Conv2d_0', 3, 3, 32);
  const features: Value[] = [];
  TRUNK.forEach(([channelsIn, channelsOut], i) => {
    const name = `MobilenetV1/Conv2d_${i + 1}`;
    x = net.depthwise(x, name, channelsIn, STRIDE_2_AT.has(i + 1) ? 2 : 1);
    x = net.pointwise(x, name, 1, channelsIn, channelsOut);
    if (i + 1 === 11) features.push(x);
  });
  features.push(x);
  EXTRA.forEach(([size, channelsIn, channelsOut], i) => {
    x = net.pointwise(x, `Prediction/Conv2d_${i}`, size, channelsIn, channelsOut);
    if (size === 3) features.push(x);
  });
  net.predict(features);
  return g.build();
}

const FEATURE_CHANNELS = [512, 1024, 512, 256, 256, 128];

class SsdMobilenet {
  constructor(
    private readonly g: GraphBuilder,
    private readonly W: WeightProvider,
  ) {}

  #kernel(layer: string, size: number, channelsIn: number, channelsOut: number): Kernel {
    const values = this.W(layer, 'kernel', [size, size, channelsIn, channelsOut]);
    return { values, size, channelsIn, channelsOut };
  }

  #relu6(x: Value): Value {
    return this.g.node('Clip', [x, this.g.scalar(0), this.g.scalar(6)]);
  }

  /** A full convolution, its batch norm already folded in by face-api; 3 × 3 ones halve the size. */
  pointwise(x: Value, name: string, size: number, channelsIn: number, channelsOut: number): Value {
    const layer = `${name}_pointwise`;
    const kernel = this.#kernel(layer, size, channelsIn, channelsOut);
    const bias = this.W(layer, 'offset', [channelsOut]);
    return this.#relu6(convolve(this.g, x, { kernel, bias, stride: size === 3 ? 2 : 1 }));
  }

  depthwise(x: Value, name: string, channels: number, stride: number): Value {
    const layer = `${name}_depthwise`;
    const kernel: Kernel = {
      values: this.W(layer, 'depthwise', [3, 3, channels, 1]),
      size: 3,
      channelsIn: channels,
      channelsOut: 1,
    };
    const [gamma, beta, mean, variance] = (['gamma', 'beta', 'mean', 'variance'] as const).map((kind) =>
      this.W(layer, kind, [channels]),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array];
    const { scale, offset } = batchNormAffine({ gamma, beta, mean, variance }, EPSILON);
    return this.#relu6(convolveDepthwise(this.g, x, { ...foldAffine(kernel, null, scale, offset), stride }));
  }

  predict(features: readonly Value[]): void {
    const boxes: Value[] = [];
    const scores: Value[] = [];
    features.forEach((x, i) => {
      const anchors = i === 0 ? 3 : 6;
      const head = `Prediction/BoxPredictor_${i}`;
      boxes.push(this.#head(x, `${head}/BoxEncodingPredictor`, FEATURE_CHANNELS[i]!, anchors, 4));
      scores.push(this.#head(x, `${head}/ClassPredictor`, FEATURE_CHANNELS[i]!, anchors, 3));
    });
    const { g } = this;
    g.output(g.node('Concat', boxes, { axis: 1 }), 'boxes', 'float32', ['n', SSD_ANCHORS, 4]);
    // Of the three classes the second is the face; background and the third are not used by face-api either.
    const face = g.node('Gather', [g.node('Concat', scores, { axis: 1 }), g.integers(1)], { axis: 2 });
    g.output(face, 'scores', 'float32', ['n', SSD_ANCHORS]);
  }

  /** Predictions of one feature map, (n, places · anchors, values): place by place, so channels go last first. */
  #head(x: Value, layer: string, channelsIn: number, anchors: number, values: number): Value {
    const kernel = this.#kernel(layer, 1, channelsIn, anchors * values);
    const predicted = convolve(this.g, x, { kernel, bias: this.W(layer, 'bias', [anchors * values]) });
    const placeFirst = this.g.node('Transpose', [predicted], { perm: [0, 2, 3, 1] });
    return this.g.node('Reshape', [placeFirst, this.g.integers([0, -1, values])]);
  }
}
