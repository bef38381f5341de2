import { GraphBuilder, type Value } from '../../graph-builder.js';
import type { WeightProvider } from '../../weights/provider.js';
import { convolve, foldAffine } from '../tensorflow-layers.js';

/** Side of the square crop that the recognition net sees. */
export const RECOGNITION_SIDE = 150;
export const RECOGNITION_DIMENSIONS = 128;

interface Block {
  readonly name: string;
  readonly channelsIn: number;
  readonly channelsOut: number;
  readonly down: boolean;
}

const stage = (channels: number, before: number, plain: number): Block[] => [
  { name: `conv${channels}_down`, channelsIn: before, channelsOut: channels, down: true },
  ...plainBlocks(channels, plain),
];
const plainBlocks = (channels: number, count: number): Block[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `conv${channels}_${i + 1}`,
    channelsIn: channels,
    channelsOut: channels,
    down: false,
  }));

const BLOCKS: readonly Block[] = [
  ...plainBlocks(32, 3),
  ...stage(64, 32, 3),
  ...stage(128, 64, 2),
  ...stage(256, 128, 2),
  { name: 'conv256_down_out', channelsIn: 256, channelsOut: 256, down: true },
];

/**
 * dlib's face recognition ResNet as face-api runs it (faceRecognitionNet/): `faces` (n, 3, 150, 150), mean-free and
 * divided by 255, to `descriptors` (n, 128), not normalised.
 */
export function buildRecognitionNet(W: WeightProvider): Uint8Array {
  const g = new GraphBuilder('face_recognition');
  const net = new RecognitionNet(g, W);
  let x = g.input('faces', 'float32', ['n', 3, RECOGNITION_SIDE, RECOGNITION_SIDE]);
  x = g.node('Relu', [net.convolution(x, 'conv32_down', 7, 3, 32, 2)]);
  x = g.node('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2] });
  // 150 → 72 by the first convolution → 35 by the pool, both without padding.
  let side = 35;
  for (const block of BLOCKS) {
    x = net.residual(x, block, side);
    if (block.down) side = Math.floor(side / 2);
  }
  const mean = g.node('ReduceMean', [x], { axes: [2, 3], keepdims: 0 });
  const fc = g.constant(W('fc', 'constant', [256, RECOGNITION_DIMENSIONS]), [256, RECOGNITION_DIMENSIONS]);
  g.output(g.node('MatMul', [mean, fc]), 'descriptors', 'float32', ['n', RECOGNITION_DIMENSIONS]);
  return g.build();
}

class RecognitionNet {
  constructor(
    private readonly g: GraphBuilder,
    private readonly W: WeightProvider,
  ) {}

  /** Convolution, bias and scale layer in one; stride 2 goes without padding. */
  convolution(x: Value, layer: string, size: number, channelsIn: number, channelsOut: number, stride: number): Value {
    const values = this.W(layer, 'kernel', [size, size, channelsIn, channelsOut]);
    const folded = foldAffine(
      { values, size, channelsIn, channelsOut },
      this.W(layer, 'bias', [channelsOut]),
      this.W(layer, 'scale', [channelsOut]),
      this.W(layer, 'offset', [channelsOut]),
    );
    return convolve(this.g, x, { ...folded, stride, padding: stride === 2 ? 'valid' : 'same' });
  }

  residual(x: Value, { name, channelsIn, channelsOut, down }: Block, side: number): Value {
    const { g } = this;
    const first = g.node('Relu', [this.convolution(x, `${name}/conv1`, 3, channelsIn, channelsOut, down ? 2 : 1)]);
    const second = this.convolution(first, `${name}/conv2`, 3, channelsOut, channelsOut, 1);
    if (!down) return g.node('Relu', [g.node('Add', [second, x])]);
    const pooled = g.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
    // The unpadded convolution of an even side ends one short of the pool: zeros at the bottom and right.
    const missing = Math.floor(side / 2) - Math.floor((side - 3) / 2 + 1);
    const fitted = this.#pad(second, [0, 0, missing, missing]);
    return g.node('Relu', [g.node('Add', [this.#pad(pooled, [0, channelsOut - channelsIn, 0, 0]), fitted])]);
  }

  /** Zeros after the end of each axis. */
  #pad(x: Value, ends: readonly number[]): Value {
    if (ends.every((end) => end === 0)) return x;
    return this.g.node('Pad', [x, this.g.integers([0, 0, 0, 0, ...ends])]);
  }
}
