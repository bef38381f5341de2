import { GraphBuilder, type Value } from '../../graph-builder.js';
import type { WeightProvider } from '../../weights/provider.js';
import { convolve, convolveDepthwise } from '../tensorflow-layers.js';

/** Side of the square crop that the landmark net sees. */
export const LANDMARK_SIDE = 112;
export const LANDMARKS = 68;

const BLOCKS: readonly (readonly [channelsIn: number, channelsOut: number])[] = [
  [3, 32],
  [32, 64],
  [64, 128],
  [128, 256],
];

/**
 * The 68-landmark net of face-api (faceFeatureExtractor/, faceLandmarkNet/): `faces` (n, 3, 112, 112), mean-free and
 * divided by 255, to `landmarks` (n, 136): x and y in turn, as fractions of the square.
 */
export function buildLandmarkNet(W: WeightProvider): Uint8Array {
  const g = new GraphBuilder('face_landmark_68');
  let x = g.input('faces', 'float32', ['n', 3, LANDMARK_SIDE, LANDMARK_SIDE]);
  BLOCKS.forEach(([channelsIn, channelsOut], i) => {
    x = denseBlock(g, W, x, `dense${i}`, channelsIn, channelsOut);
  });
  const pooled = g.node('AveragePool', [x], { kernel_shape: [7, 7], strides: [2, 2] });
  const flat = g.node('Reshape', [pooled, g.integers([0, 256])]);
  const weights = g.constant(W('fc', 'kernel', [256, 2 * LANDMARKS]), [256, 2 * LANDMARKS]);
  const bias = g.constant(W('fc', 'bias', [2 * LANDMARKS]), [2 * LANDMARKS]);
  g.output(g.node('Gemm', [flat, weights, bias]), 'landmarks', 'float32', ['n', 2 * LANDMARKS]);
  return g.build();
}

function denseBlock(
  g: GraphBuilder,
  W: WeightProvider,
  x: Value,
  name: string,
  channelsIn: number,
  channelsOut: number,
): Value {
  const first = `${name}/conv0`;
  const opening =
    channelsIn === 3
      ? convolve(g, x, {
          kernel: { values: W(first, 'kernel', [3, 3, 3, channelsOut]), size: 3, channelsIn, channelsOut },
          bias: W(first, 'bias', [channelsOut]),
          stride: 2,
        })
      : separable(g, W, x, first, channelsIn, channelsOut, 2);
  let sum = g.node('Relu', [opening]);
  let rectified = sum;
  for (const step of [1, 2, 3]) {
    sum = g.node('Add', [sum, separable(g, W, rectified, `${name}/conv${step}`, channelsOut, channelsOut, 1)]);
    rectified = g.node('Relu', [sum]);
  }
  return rectified;
}

function separable(
  g: GraphBuilder,
  W: WeightProvider,
  x: Value,
  layer: string,
  channelsIn: number,
  channelsOut: number,
  stride: number,
): Value {
  const depthwise = { values: W(layer, 'depthwise', [3, 3, channelsIn, 1]), size: 3, channelsIn, channelsOut: 1 };
  const pointwise = {
    values: W(layer, 'pointwise', [1, 1, channelsIn, channelsOut]),
    size: 1,
    channelsIn,
    channelsOut,
  };
  const filtered = convolveDepthwise(g, x, { kernel: depthwise, bias: null, stride });
  return convolve(g, filtered, { kernel: pointwise, bias: W(layer, 'bias', [channelsOut]) });
}
